// Command build makes the embedded Temporal server ready, in the cache in which `millrace` and the tests look
// for it, and prints its path. It takes minutes the first time, too long for a test.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/millrace/millrace/internal/devserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	binary, err := devserver.Find(ctx, os.Stderr, false)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(binary.Path)
}
