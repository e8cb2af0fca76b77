// Package examples carries workspaces to learn from. `millrace demo` runs one of them.
package examples

import "embed"

// Files are the workspaces, one folder each.
//
//go:embed all:trial-nurture
var Files embed.FS
