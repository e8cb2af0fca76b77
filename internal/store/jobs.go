package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/crm"
)

// Job is what an operator does to many enrollments, one after the other, or (Bulk) whom one enrolls. It is kept with what came
// of each, so that one that was cut goes on where it was.
type Job struct {
	ID        int64     `json:"job"`
	Workflow  string    `json:"workflow"`
	Operation string    `json:"operation"` // an update of the interpreter, as in plan.UpdatePause, or OperationEnroll
	Argument  string    `json:"argument"`  // the action to move to, or the reason to leave
	Selection string    `json:"selection"` // whom, as the operator said it
	By        string    `json:"by"`
	Began     time.Time `json:"began"`
}

// JobPart is what a job does to one enrollment.
type JobPart struct {
	Part       int       `json:"part"` // 1, 2, …
	Enrollment string    `json:"enrollment"`
	Done       time.Time `json:"done,omitzero"` // zero = to do
	Result     string    `json:"result"`        // one of the constants below; "" = to do
	Detail     string    `json:"detail"`        // why it was refused
}

// Results of a JobPart.
const (
	PartDone    = "done"
	PartLeft    = "left"    // the enrollment had ended
	PartRefused = "refused" // Detail says why
)

// AddJob keeps a new job and whom it is about, and gives it its number.
func (tx *Tx) AddJob(ctx context.Context, job Job, enrollments []string) (_ Job, err error) {
	defer wrap(&err, "beginning a job in %s", job.Workflow)
	if err := checkNames(job.Workflow, job.Operation); err != nil {
		return Job{}, err
	}
	job.Began = stored(job.Began)
	job.Argument, job.Selection, job.By = legible(job.Argument), legible(job.Selection), legible(job.By)
	err = tx.row(ctx, `INSERT INTO jobs (workflow, operation, argument, selection, by_whom, began) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		job.Workflow, job.Operation, job.Argument, job.Selection, job.By, instant{job.Began}).Scan(&job.ID)
	if err != nil {
		return Job{}, err
	}
	for i, enrollment := range enrollments {
		_, err := tx.exec(ctx, `INSERT INTO job_parts (job, part, enrollment, result, detail) VALUES ($1, $2, $3, '', '')`, job.ID, i+1, enrollment)
		if err != nil {
			return Job{}, err
		}
	}
	return job, nil
}

// Job returns a job by its number. Errors: crm.ErrNotFound.
func (r reader) Job(ctx context.Context, id int64) (job Job, err error) {
	defer wrap(&err, "reading job %d", id)
	var began instant
	err = r.row(ctx, `SELECT id, workflow, operation, argument, selection, by_whom, began FROM jobs WHERE id = $1`, id).
		Scan(&job.ID, &job.Workflow, &job.Operation, &job.Argument, &job.Selection, &job.By, &began)
	if errors.Is(err, sql.ErrNoRows) {
		return Job{}, crm.ErrNotFound
	}
	job.Began = began.Time
	return job, err
}

// JobParts returns the parts of a job, in their order; toDo leaves out those that are done.
func (r reader) JobParts(ctx context.Context, id int64, toDo bool) (parts []JobPart, err error) {
	defer wrap(&err, "reading the parts of job %d", id)
	condition := ""
	if toDo {
		condition = " AND done IS NULL"
	}
	return collect(ctx, r.source, func(row scanner) (part JobPart, err error) {
		var done instant
		err = row.Scan(&part.Part, &part.Enrollment, &done, &part.Result, &part.Detail)
		part.Done = done.Time
		return part, err
	}, `SELECT part, enrollment, done, result, detail FROM job_parts WHERE job = $1`+condition+` ORDER BY part`, id)
}

// FinishPart writes down what came of a part. What is done stays as it is.
func (tx *Tx) FinishPart(ctx context.Context, id int64, part JobPart) (err error) {
	defer wrap(&err, "finishing part %d of job %d", part.Part, id)
	if part.Done.IsZero() || part.Result == "" {
		return fmt.Errorf("%w: what is done has a time and a result", crm.ErrInvalid)
	}
	_, err = tx.exec(ctx, `UPDATE job_parts SET done = $1, result = $2, detail = $3 WHERE job = $4 AND part = $5 AND done IS NULL`,
		instant{part.Done}, part.Result, legible(part.Detail), id, part.Part)
	return err
}

// AddJob is Tx.AddJob in a transaction of its own.
func (s *Store) AddJob(ctx context.Context, job Job, enrollments []string) (added Job, err error) {
	err = s.Tx(ctx, func(tx *Tx) error { added, err = tx.AddJob(ctx, job, enrollments); return err })
	return added, err
}

// FinishPart is Tx.FinishPart in a transaction of its own.
func (s *Store) FinishPart(ctx context.Context, id int64, part JobPart) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.FinishPart(ctx, id, part) })
}
