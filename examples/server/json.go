package main

import (
	"encoding/json"
	"io"
)

// announcement is what the server says once it listens.
type announcement struct {
	URL string `json:"url"`
	demo
}

func (a announcement) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(a) // one line
	}
	return a.print(w)
}
