package datasource

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/auth"
	"github.com/jetadmin/jetadmin/internal/id"
)

// UsingFile names the datasources of the caller's tenant that read an uploaded
// file, for whoever is about to delete it and has been authorised for that.
func (s *Service) UsingFile(ctx context.Context, fileID string) ([]string, error) {
	who, err := s.authorize(ctx, auth.FileDelete, fileID)
	if err != nil {
		return nil, err
	}
	fields := map[string][]string{}
	for name, c := range s.types {
		for _, f := range c.Spec().Fields {
			if f.Type == FieldFile {
				fields[name] = append(fields[name], f.Name)
			}
		}
	}
	if len(fields) == 0 || !id.Valid(fileID) {
		return nil, nil
	}
	var rows []datasourceRow
	err = s.db.NewSelect().Model(&rows).Column("name", "type", "settings").Where("d.tenant_id = ?", who.TenantID).
		Where("d.type IN (?)", bun.List(sortedKeys(fields))).Where("d.settings LIKE ?", "%"+fileID+"%").OrderExpr("d.id").Scan(ctx)
	if err != nil {
		return nil, err
	}
	var using []string
	for i := range rows {
		values, err := rows[i].values()
		if err != nil {
			return nil, err
		}
		for _, field := range fields[rows[i].Type] {
			if values[field] == fileID {
				using = append(using, `the datasource "`+rows[i].Name+`"`)
			}
		}
	}
	return using, nil
}
