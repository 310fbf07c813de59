package tenancy

// Erased are the tables that the deletion of a tenant empties by itself.
func Erased() []string { return erased() }
