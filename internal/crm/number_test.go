package crm_test

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/internal/crm"
)

func number(t testing.TB, text string) crm.Number {
	t.Helper()
	n, err := crm.ParseNumber(text)
	require.NoError(t, err)
	return n
}

func TestNumberIsWrittenInPlainDecimal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "0.000": "0", "007": "7", "+5": "5", "-12.50": "-12.5", ".5": "0.5", "1e3": "1000", "1.25E-3": "0.00125",
		"100": "100", "1000e-2": "10", "123456789012345678901234567890.5": "123456789012345678901234567890.5", "0e99": "0",
	} {
		require.Equal(t, want, number(t, text).String(), text)
	}
}

func TestNumberRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "-", "1.", "1..2", "--1", "1e", "e5", "0x10", "1 000", "1,5", "NaN", "Infinity", "1e999999999", "1e-9223372036854775808", "1e9223372036854775807", "1e101", "1e-9999", "١"} {
		_, err := crm.ParseNumber(text)
		require.ErrorIs(t, err, crm.ErrInvalid, text)
	}
}

func TestNumberArithmeticIsExact(t *testing.T) {
	t.Parallel()
	require.Equal(t, "0.3", number(t, "0.1").Add(number(t, "0.2")).String())
	require.Equal(t, "0", number(t, "0.1").Add(number(t, "-0.1")).String())
	require.Zero(t, number(t, "1.10").Cmp(number(t, "1.1")))
	require.Equal(t, -1, number(t, "-2").Cmp(number(t, "1")))
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		a, b := big.NewRat(random.Int64N(2e9)-1e9, 1000), big.NewRat(random.Int64N(2e9)-1e9, 10)
		x, y := number(t, a.FloatString(3)), number(t, b.FloatString(1))
		require.Zero(t, x.Add(y).Cmp(number(t, new(big.Rat).Add(a, b).FloatString(3))))
		product, err := x.Mul(y)
		require.NoError(t, err)
		require.Zero(t, product.Cmp(number(t, new(big.Rat).Mul(a, b).FloatString(4))))
		require.Equal(t, a.Cmp(b), x.Cmp(y))
		if b.Sign() != 0 {
			quotient, err := x.Div(y)
			require.NoError(t, err)
			require.Equal(t, number(t, new(big.Rat).Quo(a, b).FloatString(20)).String(), quotient.String())
		}
		for _, places := range []int{0, 1, 2, 3} {
			require.Equal(t, number(t, a.FloatString(places)).String(), x.Round(places).String())
		}
	}
}

func TestNumberKnowsItsLimits(t *testing.T) {
	t.Parallel()
	_, err := number(t, "1").Div(crm.Number{})
	require.ErrorIs(t, err, crm.ErrInvalid)
	large := number(t, "1e99")
	_, err = large.Mul(large)
	require.ErrorIs(t, err, crm.ErrInvalid)
	_, err = number(t, "-4").Root(2)
	require.ErrorIs(t, err, crm.ErrInvalid)
	cube, err := number(t, "-27").Root(3)
	require.NoError(t, err)
	require.Equal(t, "-3", cube.String())
	require.Equal(t, "-13", number(t, "-12.5").Round(0).String())
	require.Equal(t, "100", number(t, "149").Round(-2).String())
	require.Equal(t, "0", number(t, "149").Round(-100).String())
	require.Equal(t, "-2", number(t, "-1.2").Floor().String())
	_, whole := number(t, "1.5").Int()
	require.False(t, whole)
}

func TestNumberIsANumberInJSON(t *testing.T) {
	t.Parallel()
	encoded, err := json.Marshal(map[string]crm.Number{"n": number(t, "10.50")})
	require.NoError(t, err)
	require.JSONEq(t, `{"n":10.5}`, string(encoded))
	var decoded map[string]crm.Number
	require.NoError(t, json.Unmarshal([]byte(`{"n":1e2}`), &decoded))
	require.Equal(t, "100", decoded["n"].String())
	require.Error(t, json.Unmarshal([]byte(`{"n":"1"}`), &decoded))
	require.Equal(t, "2.5", mustDecode[crm.Number](t, "2.50").String())
	_, problems := decode[crm.Number](`"2.5"`)
	require.Len(t, problems, 1)
}
