package main

import "testing"

func TestOperatingNeedsWorkflowRecordsAndAServer(t *testing.T) {
	t.Parallel()
	term := newPushed(t)
	for _, command := range []string{"pause", "resume", "skip-wait", "move"} {
		args := []string{command, "trial-nurture", "contact/51"}
		if command == "move" {
			term.run(args...).fails(2, "`millrace move` needs --to ACTION")
			args = append(args, "--to", "offer")
		}
		term.run(args...).fails(1, "cannot reach a Temporal server at 127.0.0.1:1")
		args[1] = "trial-nurtur"
		term.run(args...).fails(1, `did you mean "trial-nurture"?`)
		args[2] = "51"
		term.run(args...).fails(2, `"51" is not a record`)
	}
}
