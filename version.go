package jetadmin

// Version is the version of this library, by Semantic Versioning 2.0.
const Version = "0.1.0"
