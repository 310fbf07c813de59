package datasource

import (
	"context"
	"encoding/json"
	"reflect"
	"unicode/utf8"

	"github.com/uptrace/bun"

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
func (s *Service) fill(ctx context.Context, db bun.IDB, row *datasourceRow, posted, old map[string]any, secrets map[string]string, stored keptSecrets) error {
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
		stored = keptSecrets{}
	}
	stored = stored.without(secrets)
	settings.Secrets = spec.checkSecrets(secrets, stored, &faults)
	if err := s.checkFiles(ctx, db, settings, spec, old, &faults); err != nil {
		return err
	}
	if len(stored.lost) == 0 {
		checkSettings(connector, settings, &faults)
	} else if spec.changed(settings.Values, old, secrets) { // nobody can judge them beside what cannot be read
		for _, name := range sortedKeys(stored.lost) {
			faults.Add("secrets."+name, "cannot be read with the keys of this server, and must be entered again when something else changes")
		}
	}
	if err := faults.Err("datasource_invalid", "the datasource is not valid"); err != nil {
		return err
	}
	b, err := json.Marshal(settings.Values)
	if err != nil {
		return err
	}
	row.Settings = string(b)
	return s.seal(row, settings.Secrets, stored.lost)
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

// changed reports whether a call changes settings or enters secrets.
func (s Spec) changed(values, old map[string]any, secrets map[string]string) bool {
	var ignored problem.Faults
	for _, v := range secrets {
		if v != secret.Mask {
			return true
		}
	}
	return !reflect.DeepEqual(values, s.checkValues(old, &ignored))
}

// checkFiles refuses a file that is not one of the tenant. One that was named
// before is not looked for again: the datasource can still be renamed without it.
func (s *Service) checkFiles(ctx context.Context, db bun.IDB, settings Settings, spec Spec, old map[string]any, faults *problem.Faults) error {
	if s.cfg.FileExists == nil {
		return nil
	}
	for _, f := range spec.Fields {
		name := settings.String(f.Name)
		if f.Type != FieldFile || name == "" || name == old[f.Name] {
			continue
		}
		there, err := s.cfg.FileExists(ctx, db, settings.TenantID, name)
		if err != nil {
			return err
		}
		faults.Check(there, "settings."+f.Name, "is not a file of this tenant")
	}
	return nil
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
	stored, err := s.unseal(row)
	if err != nil {
		return nil, Settings{}, err
	}
	secrets, err := stored.all()
	if err != nil {
		return nil, Settings{}, err
	}
	var ignored problem.Faults // judged when they were saved
	return connector, Settings{
		TenantID: row.TenantID, Values: connector.Spec().checkValues(values, &ignored), Secrets: secrets, Egress: s.cfg.Egress,
	}, nil
}
