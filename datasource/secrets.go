package datasource

import (
	"encoding/json"
	"fmt"
	"maps"
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

// keptSecrets are the stored secrets of a datasource.
type keptSecrets struct {
	texts map[string]secret.Text
	lost  map[string]string // sealed with a key that this server does not have
	cause error             // why one of these cannot be read
}

// checkSecrets takes posted secrets over the stored ones: an absent field and
// [secret.Mask] keep what is stored, "" removes it.
func (s Spec) checkSecrets(posted map[string]string, stored keptSecrets, faults *problem.Faults) map[string]secret.Text {
	secrets := map[string]secret.Text{}
	for name, text := range stored.texts {
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
		if f.Secret && f.Required && secrets[f.Name].Empty() && stored.lost[f.Name] == "" {
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

// without are those that a call does not name.
func (k keptSecrets) without(posted map[string]string) keptSecrets {
	k.lost = maps.Clone(k.lost)
	maps.DeleteFunc(k.lost, func(name, _ string) bool { v, named := posted[name]; return named && v != secret.Mask })
	return k
}

// seal writes the secrets of a row, each for its own place, beside those that stay
// as they are.
func (s *Service) seal(row *datasourceRow, secrets map[string]secret.Text, lost map[string]string) error {
	sealed := make(map[string]string, len(secrets)+len(lost))
	maps.Copy(sealed, lost)
	for name, text := range secrets {
		sealed[name] = s.cfg.Keys.Seal([]byte(text.Reveal()), place(row, name))
	}
	b, err := json.Marshal(sealed)
	row.Secrets = string(b)
	return err
}

func (s *Service) unseal(row *datasourceRow) (keptSecrets, error) {
	sealed, err := row.sealed()
	kept := keptSecrets{texts: make(map[string]secret.Text, len(sealed)), lost: map[string]string{}}
	for name, value := range sealed {
		plain, err := s.cfg.Keys.Open(value, place(row, name))
		if err != nil {
			kept.lost[name], kept.cause = value, fmt.Errorf("%s: %w", name, err)
			continue
		}
		kept.texts[name] = secret.NewText(string(plain))
	}
	return kept, err
}

// all are the secrets when each can be read.
func (k keptSecrets) all() (map[string]secret.Text, error) {
	if len(k.lost) == 0 {
		return k.texts, nil
	}
	return nil, problem.New(problem.Unavailable, "secrets_unreadable", "the secrets of this datasource cannot be read").
		Fix("enter them again, or give the server the key they were sealed with").Because(k.cause)
}

func place(row *datasourceRow, name string) string {
	return secret.Place(row.TenantID, table, row.ID, "secrets."+name)
}
