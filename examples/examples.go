// Package examples carries workspaces to learn from and to begin with: `millrace init` copies them, `millrace demo`
// runs one.
package examples

import "embed"

// Files are the workspaces, one folder each.
//
//go:embed minimal trial-nurture
var Files embed.FS
