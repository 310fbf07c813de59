package xlsx

import (
	"encoding/xml"
	"strings"
)

// relationID is the attribute r:id of an element, which may also have an id of
// its own.
func relationID(s *xml.StartElement) string {
	for _, a := range s.Attr {
		if a.Name.Local == "id" && strings.HasSuffix(a.Name.Space, "/relationships") {
			return a.Value
		}
	}
	return ""
}
