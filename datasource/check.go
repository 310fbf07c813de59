package datasource

import "fmt"

// CheckConnector reports what keeps a connector from being used: its [Spec], and
// what it knows of itself when it has a method Check() error (one that was made
// of something unsuitable). The service makes the same check.
func CheckConnector(c Connector) (Spec, error) {
	spec := c.Spec()
	if checked, ok := c.(interface{ Check() error }); ok {
		if err := checked.Check(); err != nil {
			return spec, fmt.Errorf("connector %q: %w", spec.Type, err)
		}
	}
	return spec, spec.Validate()
}
