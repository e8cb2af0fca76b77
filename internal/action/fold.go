package action

import (
	"context"

	"github.com/millrace/millrace/internal/plan"
)

// fold makes an edit and those that the compiler folded into it: all in one transaction, and so one event in the
// enrollment's history. When one of them fails for good, each is made alone, and who fails is written down as it
// would be without folding; the compiler folds only what falls through then.
func (s *step) fold(ctx context.Context) error {
	steps, err := s.chain(ctx)
	if err != nil {
		return err
	}
	err = s.Store.Transact(ctx, func(books Transaction) error {
		for _, one := range steps {
			if err := one.whole(ctx, books); err != nil {
				return err
			}
			if one.outcome.End != "" || one.outcome.Again {
				s.outcome = one.outcome
				return nil
			}
		}
		return nil
	})
	if IsPermanent(err) {
		err = s.apart(ctx, steps)
	}
	for _, one := range steps[1:] {
		s.waiting = append(s.waiting, one.waiting...)
	}
	return err
}

// apart makes each edit in a transaction of its own.
func (s *step) apart(ctx context.Context, steps []*step) error {
	for _, one := range steps {
		if err := one.alone(ctx); err != nil {
			return err
		}
		if one.outcome.End != "" || one.outcome.Again {
			s.outcome = one.outcome
			return nil
		}
	}
	return nil
}

// chain is the step and those folded into it. A folded one has the key of its own behind the first one's.
func (s *step) chain(ctx context.Context) ([]*step, error) {
	steps := []*step{s}
	for _, id := range s.action.folded {
		call := s.env.call
		call.Node, call.Notes, call.Arrived = id, nil, s.env.now // it is come to when the one before is made
		kind := s.kinds[s.action.published.Nodes[id].Kind]
		one := &step{Runtime: s.Runtime, kind: kind, env: &Env{
			store: s.Store, call: call, key: s.env.key + "/" + id, now: s.env.now, seed: s.env.seed, Log: s.env.Log,
		}}
		var err error
		if one.action, err = s.prepare(ctx, kind, call); err != nil {
			return nil, err
		}
		steps = append(steps, one)
	}
	return steps, nil
}

// alone makes one edit in a transaction of its own. Its failure for good is no error: it is journalled.
func (s *step) alone(ctx context.Context) error {
	err := s.Store.Transact(ctx, func(books Transaction) error { return s.whole(ctx, books) })
	if !IsPermanent(err) {
		return err
	}
	s.outcome, s.waiting = plan.Outcome{}, nil
	entry := s.env.entry(s.kind, plan.JournalFailed)
	entry.Port, entry.Detail = plan.PortFailed, err.Error()
	s.outcome = plan.Outcome{}
	return s.Store.Transact(ctx, func(books Transaction) error {
		return books.WriteJournal(ctx, append(append(s.told(), s.env.noted(s.kind, "")...), entry)...)
	})
}
