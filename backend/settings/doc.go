// Package settings knows where Mycoproxy's files live and what they say.
//
// The settings come from, strongest first: the command line, the environment
// (MYCOPROXY_LISTEN and so on), the file config.toml, the defaults. All of them
// are described once, in the table of keys.go. What the service saves for its
// next start is the [backend.LastCommand].
//
// The folders follow the XDG Base Directory Specification, and the system's own
// customs where it has others.
package settings
