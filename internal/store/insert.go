package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// together is how many rows one statement adds or removes, where there are that many.
const together = 50

// few is the greatest other number of rows that one statement adds, so that there are not too many statements.
const few = 8

// insert adds rows to a table, many with one statement, and returns how many were added. into names the table and its
// columns, conflict says what happens to rows whose key is there.
func (tx *Tx) insert(ctx context.Context, into, conflict string, rows [][]any) (added int, err error) {
	for len(rows) > 0 {
		count := min(few, len(rows))
		if len(rows) >= together {
			count = together
		}
		affected, err := tx.exec(ctx, into+" VALUES "+tuples(count, len(rows[0]))+" "+conflict, slices.Concat(rows[:count]...)...)
		if err != nil {
			return added, err
		}
		added += int(affected)
		rows = rows[count:]
	}
	return added, nil
}

// tuples are the parameters of some rows.
func tuples(rows, columns int) string {
	texts := make([]string, 0, rows)
	for row := range rows {
		names := make([]string, 0, columns)
		for column := range columns {
			names = append(names, "$"+strconv.Itoa(row*columns+column+1))
		}
		texts = append(texts, "("+strings.Join(names, ", ")+")")
	}
	return strings.Join(texts, ", ")
}
