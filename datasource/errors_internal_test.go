package datasource

import (
	"errors"
	"fmt"
	"testing"
)

// A refusal is found among errors that were joined.
func TestARefusalAmongJoinedErrors(t *testing.T) {
	t.Parallel()
	refused := &StatementError{Message: "the file has no sheet", Position: -1}
	for _, err := range []error{refused, fmt.Errorf("wrapped: %w", refused), errors.Join(errors.New("first"), refused), errors.Join(refused, nil)} {
		if refusedBy(err) != refused {
			t.Errorf("%v: it is not found", err)
		}
	}
	if refusedBy(errors.Join(errors.New("first"), errors.New("second"))) != nil {
		t.Error("found where there is none")
	}
}
