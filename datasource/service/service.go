// Package service makes connectors of HTTP services out of descriptions: what
// they are called, how they are shown who calls, which operations they have and
// how they refuse. A [Spec] is data; [Builtins] are the JSON files in the folder
// specs, and adding a service is adding a file there.
//
// A saved query names an operation and gives its parameters, called args, as
// templates of its own. Requests are sent as those of package rest: a value is
// escaped for its place and never adds a path segment, a header or a key.
package service

import (
	"embed"
	"fmt"

	"github.com/jetadmin/jetadmin/datasource"
)

//go:embed specs
var specs embed.FS

// Builtins are the connectors of the services that the library knows, in
// alphabetical order.
func Builtins() ([]datasource.Connector, error) {
	files, err := specs.ReadDir("specs")
	if err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	connectors := make([]datasource.Connector, 0, len(files))
	for _, file := range files {
		text, err := specs.ReadFile("specs/" + file.Name())
		if err != nil {
			return nil, fmt.Errorf("service: %w", err)
		}
		spec, err := Parse(text)
		if err != nil {
			return nil, err
		}
		c, err := New(spec)
		if err != nil {
			return nil, err
		}
		connectors = append(connectors, c)
	}
	return connectors, nil
}
