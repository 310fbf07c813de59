package datasource

import (
	"encoding/json"
	"reflect"
	"unicode/utf8"

	"github.com/jetadmin/jetadmin/internal/secret"
	"github.com/jetadmin/jetadmin/internal/text"
	"github.com/jetadmin/jetadmin/problem"
)

const (
	maxName        = 100
	maxDescription = 2000
)

// fill is the one validator of datasources: it checks all of a row and writes
// its settings and secrets. old are the settings that the stored secrets were
// entered for.
func (s *Service) fill(row *datasourceRow, posted, old map[string]any, secrets map[string]string, stored map[string]secret.Text) error {
	var faults problem.Faults
	checkNames(row.Name, row.Description, &faults)
	connector, err := s.connector(row.Type)
	if err != nil {
		faults.Merge("", err)
		return faults.Err("datasource_invalid", "the datasource is not valid")
	}
	spec := connector.Spec()
	settings := Settings{TenantID: row.TenantID, Egress: s.cfg.Egress}
	settings.Values = spec.checkValues(posted, &faults)
	if spec.moved(settings.Values, old) {
		stored = nil
	}
	settings.Secrets = spec.checkSecrets(secrets, stored, &faults)
	checkSettings(connector, settings, &faults)
	if err := faults.Err("datasource_invalid", "the datasource is not valid"); err != nil {
		return err
	}
	b, err := json.Marshal(settings.Values)
	if err != nil {
		return err
	}
	row.Settings = string(b)
	return s.seal(row, settings.Secrets)
}

// moved reports whether the secrets would be sent to somewhere else (T63).
func (s Spec) moved(values, old map[string]any) bool {
	var ignored problem.Faults
	old = s.checkValues(old, &ignored)
	for _, f := range s.Fields {
		if f.Target && !reflect.DeepEqual(values[f.Name], old[f.Name]) {
			return true
		}
	}
	return false
}

func checkSettings(connector Connector, settings Settings, faults *problem.Faults) {
	if checker, ok := connector.(SettingsChecker); ok && len(faults.List()) == 0 {
		faults.Merge("", checker.CheckSettings(settings))
	}
}

func checkNames(name, description string, faults *problem.Faults) {
	n := utf8.RuneCountInString(name)
	faults.Check(n > 0 && n <= maxName && text.OneLine(name), "name", "must have 1 to 100 characters")
	faults.Check(len(description) <= maxDescription && utf8.ValidString(description), "description", "must not be longer than 2000 bytes")
}

// settings makes a row ready to be opened.
func (s *Service) settings(row *datasourceRow) (Connector, Settings, error) {
	connector, err := s.connector(row.Type)
	if err != nil {
		return nil, Settings{}, problem.New(problem.Unavailable, "connector_missing", "this server has no connector for the type of this datasource")
	}
	values, err := row.values()
	if err != nil {
		return nil, Settings{}, err
	}
	secrets, err := s.unseal(row)
	if err != nil {
		return nil, Settings{}, err
	}
	var ignored problem.Faults // judged when they were saved
	return connector, Settings{
		TenantID: row.TenantID, Values: connector.Spec().checkValues(values, &ignored), Secrets: secrets, Egress: s.cfg.Egress,
	}, nil
}
