package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/crm"
	"github.com/millrace/millrace/internal/store"
)

type recordsInput struct {
	Body struct {
		Records []recordChange `json:"records" minItems:"1" maxItems:"500" doc:"Records to make or to change."`
	}
}

type recordChange struct {
	Record     string         `json:"record" doc:"The record." example:"contact/51"`
	Properties map[string]any `json:"properties" doc:"New values by property; null clears. Others stay as they are."`
}

type recordsOutput struct {
	Status int
	Body   recordsAnswer
}

type recordsAnswer struct {
	Results []recordResult `json:"results" doc:"One for each record, in their order."`
}

type recordResult struct {
	Record  string   `json:"record"`
	Status  string   `json:"status" enum:"created,changed,unchanged,rejected"`
	Version int      `json:"version,omitempty" doc:"Grows with every change."`
	Problem *refused `json:"problem,omitempty" doc:"Why it was rejected."`
}

func (s *server) recordRoutes(api huma.API) {
	register(s, api, crm.RoleEdit, huma.Operation{
		OperationID: "upsert-records", Method: http.MethodPost, Path: "/v1/records", Summary: "Make records, or change them", Tags: []string{"records"},
		Description: `Each record is made or changed for itself. When some are rejected the answer is 207 and tells of each; when all are, it is a problem. Setting what is
already so changes nothing, so a request may be repeated.`,
		Errors: []int{http.StatusUnprocessableEntity},
	}, s.upsertRecords)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "get-record", Method: http.MethodGet, Path: "/v1/records/{object}/{id}", Summary: "A record", Tags: []string{"records"},
		Errors: []int{http.StatusNotFound, http.StatusGone},
	}, s.getRecord)
	register(s, api, crm.RoleView, huma.Operation{
		OperationID: "list-records", Method: http.MethodGet, Path: "/v1/records", Summary: "Records of a type, in the order of their ids", Tags: []string{"records"},
	}, s.listRecords)
}

func (s *server) upsertRecords(ctx context.Context, input *recordsInput) (*recordsOutput, error) {
	caller, changes := callerOf(ctx), input.Body.Records
	if err := s.limits.spend(caller.key, len(changes)-1); err != nil {
		return nil, err
	}
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	results := make([]recordResult, len(changes))
	var problems []*refused
	err = s.Door.Group.Do(ctx, func(tx *store.Tx) error {
		problems = nil
		var deeds []store.Deed
		for i, change := range changes {
			var deed *store.Deed
			err := tx.Try(ctx, func() (err error) {
				results[i], deed, err = upsert(ctx, tx, catalog, caller, change, now)
				return err
			})
			if err != nil {
				code := rejectionCode(err)
				if code == "" {
					return err
				}
				why := &refused{Code: code, Location: fmt.Sprintf("body.records[%d]", i), Detail: err.Error()}
				results[i] = recordResult{Record: change.Record, Status: "rejected", Problem: why}
				problems = append(problems, why)
				continue
			}
			if deed != nil {
				deeds = append(deeds, *deed)
			}
		}
		_, err := tx.Audit(ctx, deeds...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(problems) == len(changes) {
		status := http.StatusUnprocessableEntity
		if problems[0].Code == "forbidden" {
			status = http.StatusForbidden
		}
		return nil, noneTaken(status, problems)
	}
	return &recordsOutput{Status: severalStatus(len(problems)), Body: recordsAnswer{results}}, nil
}

// rejectionCode says why a record cannot be changed; "" for errors that are about something else.
func rejectionCode(err error) string {
	switch {
	case errors.Is(err, crm.ErrForbidden):
		return "forbidden"
	case errors.Is(err, crm.ErrDeleted):
		return "deleted-record"
	case errors.Is(err, crm.ErrInvalid):
		return "wrong-value"
	}
	return ""
}

// upsert makes or changes one record, and says what to write into the audit log.
func upsert(ctx context.Context, tx *store.Tx, catalog *crm.Catalog, caller caller, change recordChange, now time.Time) (recordResult, *store.Deed, error) {
	ref, err := crm.ParseRef(change.Record)
	if err != nil {
		return recordResult{}, nil, fmt.Errorf("%w: %w", crm.ErrInvalid, err)
	}
	values := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(change.Properties)) {
		value := change.Properties[name]
		if property, declared := catalog.Property(ref.Object, name); declared {
			if err := caller.MustAccess(ref.Object, property, crm.AccessEdit); err != nil {
				return recordResult{}, nil, err
			}
		}
		if values[name], err = catalog.Canonical(ref.Object, name, value); err != nil {
			return recordResult{}, nil, err
		}
	}
	before, err := tx.Get(ctx, ref)
	if err != nil && !errors.Is(err, crm.ErrNotFound) {
		return recordResult{}, nil, err
	}
	after, created, err := tx.Upsert(ctx, ref, values, now, "api "+caller.Name)
	if err != nil {
		return recordResult{}, nil, err
	}
	result := recordResult{Record: change.Record, Version: after.Version}
	switch {
	case created:
		result.Status = "created"
	case after.Version != before.Version:
		result.Status = "changed"
	default:
		result.Status = "unchanged"
		return result, nil, nil
	}
	deed := store.Deed{At: now, Actor: caller.Name, Via: "api", Action: store.DeedSetRecord, Subject: ref.String()}
	deed.Changed(before.Properties, after.Properties)
	return result, &deed, nil
}

type recordInput struct {
	Object string `path:"object" example:"contact"`
	ID     string `path:"id" example:"51"`
}

type recordOutput struct {
	Body shownRecord
}

type shownRecord struct {
	Record     string         `json:"record" example:"contact/51"`
	Properties map[string]any `json:"properties" doc:"Values of their types; those that the key's user may not see are left out."`
	Created    time.Time      `json:"created"`
	Updated    time.Time      `json:"updated"`
	Version    int            `json:"version"`
}

func (s *server) getRecord(ctx context.Context, input *recordInput) (*recordOutput, error) {
	ref, err := parseRef("path", input.Object+"/"+input.ID)
	if err != nil {
		return nil, err
	}
	record, err := s.books.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	return &recordOutput{show(catalog, callerOf(ctx), record)}, nil
}

// show is a record as its caller may see it.
func show(catalog *crm.Catalog, caller caller, record crm.Record) shownRecord {
	shown := shownRecord{Record: record.Ref.String(), Properties: map[string]any{}, Created: record.Created, Updated: record.Updated, Version: record.Version}
	for name, text := range record.Properties {
		if property, declared := catalog.Property(record.Object, name); !declared || caller.Access(property) != crm.AccessNone {
			shown.Properties[name] = catalog.Typed(record.Object, name, text)
		}
	}
	return shown
}

type listRecordsInput struct {
	Object string `query:"object" required:"true" doc:"Type of the records." example:"contact"`
	After  string `query:"after" doc:"Id of the last record of the page before."`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"500"`
}

type listRecordsOutput struct {
	Body struct {
		Records []shownRecord `json:"records"`
		Next    string        `json:"next,omitempty" doc:"What to give as after for the next page; missing on the last one."`
	}
}

func (s *server) listRecords(ctx context.Context, input *listRecordsInput) (*listRecordsOutput, error) {
	catalog, err := s.books.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	if _, declared := catalog.Object(input.Object); !declared && !catalog.IsOpen() {
		return nil, huma.Error404NotFound("there is no object " + input.Object + ": there are " + strings.Join(catalog.Objects(), ", "))
	}
	records, err := s.books.List(ctx, input.Object, input.After, input.Limit)
	if err != nil {
		return nil, err
	}
	output := &listRecordsOutput{}
	output.Body.Records = []shownRecord{}
	for _, record := range records {
		output.Body.Records = append(output.Body.Records, show(catalog, callerOf(ctx), record))
	}
	if len(records) == input.Limit {
		output.Body.Next = records[len(records)-1].ID
	}
	return output, nil
}
