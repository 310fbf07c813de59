package workflow

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/jetadmin/jetadmin/problem"
)

// The output of a run is that of its end node, or an object of them by key when
// several were reached. One that is large is not put together when the run ends,
// in a transaction that others share, but when somebody reads it: the run refers
// to the outputs of its end nodes by their keys, which no id of a payload looks
// like.

const endsPrefix = "+"

func endsReference(keys []string, bytes int64) string {
	return reference{payload: endsPrefix + strings.Join(keys, ","), bytes: bytes}.String()
}

// ends gives the keys of the end nodes that a reference to several names.
func (r reference) ends() ([]string, bool) {
	list, ok := strings.CutPrefix(r.payload, endsPrefix)
	return strings.Split(list, ","), ok
}

// endRow is what the output of a run has to know of the output of an end node.
type endRow struct {
	Key    string
	Bytes  int64
	Output *string // a reference; nil = it is not large
}

// mergeEnds works out the outputs of the runs that end well, while they may still
// fail for them.
func (s *settlement) mergeEnds(ctx context.Context) error {
	for _, p := range s.runs {
		if p.run.Status != RunSucceeded {
			continue
		}
		var err error
		if p.output, err = s.runOutput(ctx, p); !problem.Is(err, problem.TooLarge) {
			if err != nil {
				return err
			}
			continue
		}
		e := problem.Of(err)
		p.run.Status, p.failure = RunFailed, &Failure{Kind: e.Kind, Code: e.Code, Message: e.Message, Remedy: e.Remedy}
		for _, t := range s.batch {
			if !t.lost && t.after.ID == p.run.ID && t.after.Status.Final() {
				t.after.Status, t.failure = p.run.Status, p.failure
			}
		}
	}
	return nil
}

func (s *settlement) runOutput(ctx context.Context, p *progress) (*string, error) {
	ends := p.flow().ends
	fresh := p.reached(ends)
	if len(ends) < 2 {
		return mergeOutputs(fresh), nil
	}
	d := s.s.cfg.DB.Dialect
	var earlier []endRow
	err := s.tx.NewRaw(`SELECT key, `+d.Bytes("output")+` AS bytes, CASE WHEN output LIKE '@%' THEN output END AS output FROM ?schema.jet_run_output
		WHERE tenant_id = ? AND run_id = ? AND key IN (?) AND status = ?`, p.run.TenantID, p.run.ID, bun.List(ends), NodeSucceeded).Scan(ctx, &earlier)
	if err != nil || len(earlier) == 0 && len(fresh) < 2 {
		return mergeOutputs(fresh), err
	}
	all := slices.Clone(earlier)
	for i := range fresh {
		all = append(all, endRow{Key: fresh[i].Key, Bytes: int64(len(*fresh[i].Output)), Output: fresh[i].Output})
	}
	var total int64
	keys := make([]string, len(all))
	for i := range all {
		keys[i] = all[i].Key
		total += all[i].bytes() + int64(len(keys[i])) + int64(len(`"":,`))
	}
	switch {
	case total > MaxOutput:
		return nil, problem.Newf(problem.TooLarge, "run_output_too_large", "the outputs of the run's end nodes have %d bytes together, the limit is %d", total, MaxOutput).
			Fix("return less: select fewer rows or columns, or store the data and return a reference")
	case total > maxInline:
		slices.Sort(keys)
		return new(endsReference(keys, total)), nil
	}
	rows, err := readEnds(ctx, s.tx, p.run.TenantID, p.run.ID, keys)
	return mergeOutputs(append(rows, fresh...)), err
}

// bytes is how long the output is, wherever it stands.
func (r *endRow) bytes() int64 {
	if r.Output != nil {
		if ref, ok := parseReference(*r.Output); ok {
			return ref.bytes
		}
	}
	return r.Bytes
}

// reached are the outputs of the end nodes that were reached just now.
func (p *progress) reached(ends []string) (rows []outputRow) {
	for _, o := range p.outputs {
		if o.Status == NodeSucceeded && slices.Contains(ends, o.Key) {
			rows = append(rows, o)
		}
	}
	return rows
}

func readEnds(ctx context.Context, db bun.IDB, tenantID, runID string, keys []string) (rows []outputRow, err error) {
	err = db.NewSelect().Model(&rows).Column("key", "output").Where("tenant_id = ?", tenantID).
		Where("run_id = ?", runID).Where("key IN (?)", bun.List(keys)).Where("status = ?", NodeSucceeded).Scan(ctx)
	return rows, err
}

// fetchEnds puts the output of a run with several end nodes together.
func fetchEnds(ctx context.Context, db bun.IDB, tenantID, runID string, keys []string) (string, error) {
	rows, err := readEnds(ctx, db, tenantID, runID, keys)
	if err != nil {
		return "", err
	}
	texts := make([]*string, len(rows))
	for i := range rows {
		texts[i] = rows[i].Output
	}
	if err := fetch(ctx, db, tenantID, runID, texts...); err != nil {
		return "", err
	}
	return *mergeOutputs(rows), nil
}

// mergeOutputs makes one output of those of several end nodes, by their keys.
func mergeOutputs(rows []outputRow) *string {
	switch len(rows) {
	case 0:
		return nil
	case 1:
		return rows[0].Output
	}
	all := make(map[string]json.RawMessage, len(rows))
	for _, r := range rows {
		all[r.Key] = json.RawMessage(*r.Output)
	}
	return new(encode(all))
}
