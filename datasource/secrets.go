package datasource

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/problem"
)

const table = "jet_datasource"

// The two states of a secret field in a [Datasource].
const (
	SecretSet    = "set"
	SecretNotSet = "notSet"
)

// checkSecrets takes posted secrets over the stored ones: an absent field and
// [secret.Mask] keep what is stored, "" removes it.
func (s Spec) checkSecrets(posted map[string]string, stored map[string]secret.Text, faults *problem.Faults) map[string]secret.Text {
	secrets := map[string]secret.Text{}
	for name, text := range stored {
		secrets[name] = text
	}
	for _, name := range sortedKeys(posted) {
		value := posted[name]
		f, ok := s.field(name)
		switch {
		case !ok || !f.Secret:
			faults.Add("secrets."+printable(name), "is not a secret of this type")
		case value == secret.Mask:
		case value == "":
			delete(secrets, name)
		case f.Type == FieldText:
			_, message := f.text(value)
			faults.Check(message == "", "secrets."+name, message)
			secrets[name] = secret.NewText(value)
		case len(value) > maxSetting || strings.ContainsAny(value, "\x00\r\n"):
			faults.Addf("secrets."+name, "must be one line of at most %d bytes", maxSetting)
		default:
			secrets[name] = secret.NewText(value)
		}
	}
	for _, f := range s.Fields {
		if f.Secret && f.Required && secrets[f.Name].Empty() {
			faults.Add("secrets."+f.Name, "is required, and must be entered again when the connection changes")
		}
	}
	return secrets
}

// states tells which secrets are set, for everybody who may read the datasource.
func (s Spec) states(sealed map[string]string) map[string]string {
	states := map[string]string{}
	for _, f := range s.Fields {
		if !f.Secret {
			continue
		}
		states[f.Name] = SecretNotSet
		if sealed[f.Name] != "" {
			states[f.Name] = SecretSet
		}
	}
	return states
}

// seal writes the secrets of a row, each for its own place.
func (s *Service) seal(row *datasourceRow, secrets map[string]secret.Text) error {
	sealed := make(map[string]string, len(secrets))
	for name, text := range secrets {
		sealed[name] = s.cfg.Keys.Seal([]byte(text.Reveal()), place(row, name))
	}
	b, err := json.Marshal(sealed)
	row.Secrets = string(b)
	return err
}

func (s *Service) unseal(row *datasourceRow) (map[string]secret.Text, error) {
	sealed, err := row.sealed()
	if err != nil {
		return nil, err
	}
	secrets := make(map[string]secret.Text, len(sealed))
	for name, value := range sealed {
		plain, err := s.cfg.Keys.Open(value, place(row, name))
		if err != nil {
			return nil, problem.New(problem.Unavailable, "secrets_unreadable", "the secrets of this datasource cannot be read").
				Fix("enter them again, or give the server the key they were sealed with").Because(fmt.Errorf("%s: %w", name, err))
		}
		secrets[name] = secret.NewText(string(plain))
	}
	return secrets, nil
}

func place(row *datasourceRow, name string) string {
	return secret.Place(row.TenantID, table, row.ID, "secrets."+name)
}
