package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/millrace/millrace/internal/crm"
)

const userColumns = `u.id, u.name, u.email, u.active, u.team, u.teams, u.roles, u.away`

func scanUser(row scanner) (user crm.User, err error) {
	return user, row.Scan(&user.ID, &user.Name, &user.Email, &user.Active, &user.Team, document[[]string]{&user.Teams}, document[[]crm.Role]{&user.Roles}, document[[]crm.Absence]{&user.Away})
}

// User finds a user by id, else by address, whatever its case. Errors: crm.ErrNotFound.
func (r reader) User(ctx context.Context, id string) (user crm.User, err error) {
	defer wrap(&err, "looking for user %s", id)
	user, err = scanUser(r.row(ctx, `SELECT `+userColumns+` FROM users u WHERE u.id = $1 OR (u.address = $2 AND u.address <> '')
		ORDER BY CASE WHEN u.id = $1 THEN 0 ELSE 1 END, u.place LIMIT 1`, id, strings.ToLower(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return crm.User{}, crm.ErrNotFound
	}
	return user, err
}

// Users returns everybody, in the order of the workspace.
func (r reader) Users(ctx context.Context) (users []crm.User, err error) {
	defer wrap(&err, "listing the users")
	return collect(ctx, r.source, scanUser, `SELECT `+userColumns+` FROM users u ORDER BY u.place`)
}

// Team returns the members of a team, those with it as primary team first, then in the order of the
// workspace. Errors: crm.ErrNotFound.
func (r reader) Team(ctx context.Context, id string) (members []crm.User, err error) {
	defer wrap(&err, "looking for team %s", id)
	known, err := r.exists(ctx, `SELECT 1 FROM team_members WHERE team = $1`, id)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, crm.ErrNotFound
	}
	return collect(ctx, r.source, scanUser, `SELECT `+userColumns+` FROM team_members m JOIN users u ON u.id = m.user_id
		WHERE m.team = $1 ORDER BY m.is_primary DESC, u.place`, id)
}

// SetUsers replaces all users and teams; a team that a user names needs no declaration.
func (tx *Tx) SetUsers(ctx context.Context, users []crm.User, teams []string) (err error) {
	defer wrap(&err, "writing the users")
	if err := tx.claim(ctx, publication); err != nil {
		return err
	}
	for _, text := range []string{`DELETE FROM users`, `DELETE FROM team_members`} {
		if _, err := tx.exec(ctx, text); err != nil {
			return err
		}
	}
	for _, team := range teams {
		if err := tx.join(ctx, team, "", false); err != nil {
			return err
		}
	}
	for place, user := range users {
		if err := tx.addUser(ctx, user, place); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) addUser(ctx context.Context, user crm.User, place int) error {
	if err := checkNames(user.ID, user.Email, user.Team); err != nil {
		return err
	}
	teams, err := encode(user.Teams)
	if err != nil {
		return err
	}
	away, err := encode(user.Away)
	if err != nil {
		return err
	}
	roles, err := encode(user.Roles)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, `INSERT INTO users (id, place, name, email, address, active, team, teams, roles, away) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		user.ID, place, legible(user.Name), user.Email, strings.ToLower(user.Email), user.Active, user.Team, teams, roles, away)
	if err != nil {
		return err
	}
	if user.Team != "" {
		if err := tx.join(ctx, user.Team, user.ID, true); err != nil {
			return err
		}
	}
	for _, team := range user.Teams {
		if err := tx.join(ctx, team, user.ID, false); err != nil {
			return err
		}
	}
	return nil
}

// join puts a user into a team, where a primary team counts more than an extra one of the same name.
func (tx *Tx) join(ctx context.Context, team, user string, primary bool) error {
	if err := checkNames(team); err != nil {
		return err
	}
	_, err := tx.exec(ctx, `INSERT INTO team_members (team, user_id, is_primary) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, team, user, primary)
	return err
}

// SetUsers is Tx.SetUsers in a transaction of its own.
func (s *Store) SetUsers(ctx context.Context, users []crm.User, teams []string) error {
	return s.Tx(ctx, func(tx *Tx) error { return tx.SetUsers(ctx, users, teams) })
}
