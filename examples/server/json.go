package main

import (
	"encoding/json"
	"io"
)

// announcement is what the server says once it listens.
type announcement struct {
	URL        string `json:"url"`
	SetupToken string `json:"setupToken,omitempty"` // makes the first account, "" = there is one
	demo
}

func (a announcement) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(a) // one line
	}
	return a.print(w)
}
