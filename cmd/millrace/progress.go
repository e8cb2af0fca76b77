package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	progressWidth = 30 // characters of a whole bar
	progressPause = 100 * time.Millisecond
)

// progress tells on a terminal how far a long command has come, and elsewhere nothing.
type progress struct {
	out   io.Writer // nil = nobody watches
	what  string
	began time.Time

	mu    sync.Mutex
	shown time.Time
	had   int  // done when it began
	known bool // what had says
}

// progress begins to tell how far something has come, on standard error.
func (a *app) progress(what string) *progress {
	p := &progress{what: what, began: time.Now()}
	if a.terminal(a.Stderr) {
		p.out = a.Stderr
	}
	return p
}

// from says that so many were done before: how long the others take does not follow from them. It counts the first time.
func (p *progress) from(done int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		p.had, p.known, p.began = done, true, time.Now()
	}
}

// at says that so many of all are done.
func (p *progress) at(done, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.out == nil || all == 0 || done <= p.had || now.Sub(p.shown) < progressPause {
		return
	}
	p.shown = now
	filled := progressWidth * done / all
	left := now.Sub(p.began) / time.Duration(done-p.had) * time.Duration(all-done)
	fmt.Fprintf(p.out, "\r\x1b[K%s [%s%s] %d of %d, %s left", p.what,
		strings.Repeat("#", filled), strings.Repeat(".", progressWidth-filled), done, all, left.Round(time.Second))
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.out != nil && !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// watched tells whether a person can answer on standard input.
func (a *app) watched() bool { return a.person(a.Stdin) }

// terminal tells whether a person watches w.
func (a *app) terminal(w io.Writer) bool { return a.person(w) }

func (a *app) person(stream any) bool {
	file, isFile := stream.(*os.File)
	if !isFile || a.Environment.get("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
