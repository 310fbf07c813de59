package workflow

import "sync"

// inputs keeps the inputs of runs with loops, which every node of every item sees:
// read and decoded once, not for each of them. They are read only.
type inputs struct {
	mu    sync.Mutex
	byRun map[string]map[string]any
	bytes int
}

// The inputs that are kept at a time, and their size as JSON.
const (
	maxInputs     = 256
	maxInputBytes = 16 << 20
)

func (i *inputs) find(runID string) (map[string]any, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	input, ok := i.byRun[runID]
	return input, ok
}

// keep decodes an input, unless somebody else has done so meanwhile.
func (i *inputs) keep(runID, text string) (map[string]any, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if input, ok := i.byRun[runID]; ok {
		return input, nil
	}
	var input map[string]any
	if err := decode(text, &input); err != nil {
		return nil, err
	}
	if i.bytes += len(text); i.byRun == nil || i.bytes > maxInputBytes || len(i.byRun) >= maxInputs {
		i.byRun, i.bytes = make(map[string]map[string]any), len(text)
	}
	i.byRun[runID] = input
	return input, nil
}
