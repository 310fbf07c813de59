package main

import (
	"io"
	"strings"
	"text/template"
)

// print tells a person where the server is and what to try.
func (a announcement) print(w io.Writer) error {
	return template.Must(template.New("").Parse(greeting)).Execute(w, struct {
		announcement
		Addr, Variable string
	}{a, strings.TrimPrefix(a.URL, "http://"), tokenVariable})
}

const greeting = `jetadmin listens on {{ .URL }} (stop with Ctrl-C)

  API       {{ .URL }}/api/v1
  reference {{ .URL }}/api/v1/docs
{{- if .Password }}
  e-mail    {{ .Email }}
  password  {{ .Password }}

Paste into a second shell, in this folder:

# sign in
API={{ .URL }}/api/v1/tenants/{{ .TenantID }}
export {{ .Variable }}=$(curl -s {{ .URL }}/api/v1/auth/login -H 'Content-Type: application/json' \
  -d '{"email":"{{ .Email }}","password":"{{ .Password }}"}' | grep -o '"token":"[^"]*"' | cut -d'"' -f4)

# run a query: what was paid and not sent, above 300
curl -s $API/queries/{{ .QueryID }}/run -H "Authorization: Bearer ${{ .Variable }}" -H 'Content-Type: application/json' \
  -d '{"params":{"status":"paid","min_total":300,"limit":5}}'; echo

# start the workflow
RUN=$(curl -s $API/workflows/{{ .WorkflowID }}/runs -H "Authorization: Bearer ${{ .Variable }}" -H 'Content-Type: application/json' \
  -d '{"input":{"status":"paid","minTotal":300}}' | grep -o '"id":"[^"]*"' | head -n 1 | cut -d'"' -f4); echo "run $RUN"

# watch its events, over the WebSocket
go run ./examples/server -addr {{ .Addr }} -watch $RUN

# look at the run: its nodes and what came out
curl -s $API/runs/$RUN -H "Authorization: Bearer ${{ .Variable }}"; echo
{{- else }}

{{ if .Email }}The password of {{ .Email }} is not the one from the first start with this folder: sign in with yours.
{{- else if .SetupToken }}There is no demo, and no account. Make the first one, with your password, within a day:

curl {{ .URL }}/api/v1/auth/setup -H 'Content-Type: application/json' \
  -d '{"token":"{{ .SetupToken }}","email":"you@example.com","password":"…","name":"You"}'; echo

Further accounts are not made over HTTP: a host makes them in Go, with
app.Auth().CreateUser or with a sign-in of its own (docs/embedding.md).
{{- else }}There is no demo: sign in with the account that you made.
{{- end }}
{{- end }}
`
