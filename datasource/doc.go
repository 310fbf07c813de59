// Package datasource connects tenants to their own databases and APIs.
//
// A datasource is a saved connection of one [Connector] type: declared settings,
// and secrets that are sealed at rest and never shown again. A query is a saved
// operation on a datasource with typed, named parameters; who may only execute
// runs saved queries with values for those parameters and nothing else.
//
// The [Service] is what HTTP, workflows and Go hosts call. Connectors live in
// packages below this one, or with the host; package connectortest holds the
// suite that every one of them passes.
package datasource
