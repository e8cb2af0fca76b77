package schema

import (
	"cmp"
	"slices"
	"strings"
)

// Suggest returns the known word that wrong was probably meant to be, or "". It allows one mistake in
// short words and one in three letters of long ones; case, hyphens and underscores count for nothing.
// Of equally near words it takes the first in the alphabet. Otherwise it takes the only word that
// begins with wrong, as in lifecycle and lifecycle_stage.
func Suggest(wrong string, known []string) string {
	best, least := "", max(1, len([]rune(wrong))/3)+1
	for _, word := range slices.SortedFunc(slices.Values(known), cmp.Compare[string]) {
		if word == "" || word == wrong {
			continue
		}
		if distance := distance([]rune(plainWord(wrong)), []rune(plainWord(word))); distance < least && distance < len([]rune(word)) {
			best, least = word, distance
		}
	}
	if best != "" || len(wrong) < 3 {
		return best
	}
	var longer []string
	for _, word := range known {
		if strings.HasPrefix(word, wrong) && word != wrong {
			longer = append(longer, word)
		}
	}
	if len(longer) == 1 {
		return longer[0]
	}
	return ""
}

// Suggest sets the hint "did you mean …?" when one of the known words is near to wrong.
func (one *Diagnostic) Suggest(wrong string, known []string) {
	if word := Suggest(wrong, known); word != "" {
		one.Hint = "did you mean " + quote(word) + "?"
	}
}

func plainWord(word string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(word))
}

// distance counts the letters to insert, delete, change or swap with their neighbour to turn a into b.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range a {
		for j := range b {
			change := rows[i][j]
			if a[i] != b[j] {
				change++
			}
			rows[i+1][j+1] = min(rows[i][j+1]+1, rows[i+1][j]+1, change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				rows[i+1][j+1] = min(rows[i+1][j+1], rows[i-1][j-1]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
