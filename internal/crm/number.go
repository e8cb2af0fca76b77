package crm

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/schema"
)

// maxDigits bounds both sides of a number's decimal point, so that 1e999999999 costs nothing.
const maxDigits = 100

// quotientDigits is how many decimals a quotient keeps that has no end.
const quotientDigits = 20

// Number is an exact decimal number. The zero Number is 0.
type Number struct {
	unscaled *big.Int // nil = 0
	scale    int      // the value is unscaled / 10^scale; never negative, never with a trailing zero
}

// NumberOf returns n as a Number.
func NumberOf(n int64) Number { return decimal(big.NewInt(n), 0) }

// ParseNumber reads a decimal number such as -12.50 or 1e3. It refuses more than 100 digits on
// either side of the point; errors wrap ErrInvalid.
func ParseNumber(text string) (Number, error) {
	invalid := invalidf("%q is not a number", clip(text))
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(text), "e")
	digits := strings.TrimLeft(mantissa, "+-")
	whole, fraction, hasPoint := strings.Cut(digits, ".")
	if len(mantissa)-len(digits) > 1 || (hasPoint && fraction == "") || !isDigits(whole+fraction) {
		return Number{}, invalid
	}
	shift := 0
	if hasExponent {
		var err error
		if shift, err = strconv.Atoi(exponent); err != nil {
			return Number{}, invalid
		}
	}
	whole, fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if whole+fraction == "" {
		return Number{}, nil
	}
	if shift > 2*maxDigits || shift < -2*maxDigits || len(whole)+shift > maxDigits || len(fraction)-shift > maxDigits || len(whole)+len(fraction) > 2*maxDigits {
		return Number{}, invalidf("%q has more than %d digits", clip(text), maxDigits)
	}
	unscaled, _ := new(big.Int).SetString(whole+fraction, 10)
	if strings.HasPrefix(mantissa, "-") {
		unscaled.Neg(unscaled)
	}
	scale := len(fraction) - shift
	if scale < 0 {
		unscaled.Mul(unscaled, pow10(-scale))
		scale = 0
	}
	return decimal(unscaled, scale), nil
}

func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// decimal brings unscaled / 10^scale into the one form that equal numbers share.
func decimal(unscaled *big.Int, scale int) Number {
	if unscaled.Sign() == 0 {
		return Number{}
	}
	quotient, rest := new(big.Int), new(big.Int)
	for scale > 0 {
		if quotient.QuoRem(unscaled, big.NewInt(10), rest); rest.Sign() != 0 {
			break
		}
		unscaled, quotient, scale = quotient, new(big.Int), scale-1
	}
	return Number{unscaled, scale}
}

// at returns the number's digits at a scale that is not smaller than its own.
func (n Number) at(scale int) *big.Int {
	if n.unscaled == nil {
		return new(big.Int)
	}
	return new(big.Int).Mul(n.unscaled, pow10(scale-n.scale))
}

// Add returns n + m.
func (n Number) Add(m Number) Number {
	scale := max(n.scale, m.scale)
	return decimal(new(big.Int).Add(n.at(scale), m.at(scale)), scale)
}

// Neg returns -n.
func (n Number) Neg() Number {
	if n.unscaled == nil {
		return n
	}
	return Number{new(big.Int).Neg(n.unscaled), n.scale}
}

// Mul returns n × m. Errors wrap ErrInvalid: too many digits.
func (n Number) Mul(m Number) (Number, error) {
	return decimal(new(big.Int).Mul(n.at(n.scale), m.at(m.scale)), n.scale+m.scale).bounded()
}

// Div returns n ÷ m, rounded to 20 decimals when it has no end. Errors wrap ErrInvalid: division by
// zero, too many digits.
func (n Number) Div(m Number) (Number, error) {
	if m.Sign() == 0 {
		return Number{}, invalidf("division by zero")
	}
	scale := max(n.scale, m.scale)
	dividend := new(big.Int).Mul(n.at(scale), pow10(quotientDigits+1))
	return decimal(dividend.Quo(dividend, m.at(scale)), quotientDigits+1).Round(quotientDigits).bounded()
}

func (n Number) bounded() (Number, error) {
	if n.scale > maxDigits || (n.unscaled != nil && len(n.unscaled.Text(10))-n.scale > maxDigits+1) {
		return Number{}, invalidf("the result has more than %d digits", maxDigits)
	}
	return n, nil
}

// Root returns the root of a degree between 1 and 100, cut off after 20 decimals. Errors wrap
// ErrInvalid: another degree, an even root of a negative number.
func (n Number) Root(degree int) (Number, error) {
	if degree < 1 || degree > 100 || (n.Sign() < 0 && degree%2 == 0) {
		return Number{}, invalidf("%q has no root of degree %d", n, degree)
	}
	if n.Sign() < 0 {
		positive, err := n.Neg().Root(degree)
		return positive.Neg(), err
	}
	// the greatest whole r with r^degree ≤ n·10^(degree·decimals), by halving
	scale := max(quotientDigits, (n.scale+degree-1)/degree)
	radicand := n.at(n.scale)
	radicand.Mul(radicand, pow10(degree*scale-n.scale))
	exponent := big.NewInt(int64(degree))
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(radicand.BitLen()/degree+1))
	for one := big.NewInt(1); new(big.Int).Sub(high, low).Cmp(one) > 0; {
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		if new(big.Int).Exp(middle, exponent, nil).Cmp(radicand) <= 0 {
			low = middle
		} else {
			high = middle
		}
	}
	return decimal(low, scale), nil
}

// Round rounds to places decimals, halves away from zero; negative places round tens, hundreds, ….
func (n Number) Round(places int) Number {
	if n.scale <= places {
		return n
	}
	unit := pow10(n.scale - max(places, -maxDigits-1))
	half := new(big.Int).Quo(unit, big.NewInt(2))
	if n.Sign() < 0 {
		half.Neg(half)
	}
	rounded := half.Add(half, n.unscaled)
	rounded.Quo(rounded, unit)
	if places < 0 {
		return decimal(rounded.Mul(rounded, pow10(min(-places, maxDigits+1))), 0)
	}
	return decimal(rounded, places)
}

// Floor returns the greatest whole number that is not greater than n.
func (n Number) Floor() Number {
	if n.scale == 0 {
		return n
	}
	floor := new(big.Int)
	floor.DivMod(n.unscaled, pow10(n.scale), new(big.Int))
	return decimal(floor, 0)
}

// Sign returns -1, 0 or 1.
func (n Number) Sign() int {
	if n.unscaled == nil {
		return 0
	}
	return n.unscaled.Sign()
}

// Cmp returns -1 when n < m, 0 when they are equal, 1 when n > m.
func (n Number) Cmp(m Number) int {
	scale := max(n.scale, m.scale)
	return n.at(scale).Cmp(m.at(scale))
}

// Int returns the number as an int; false when it is not whole or too large for 32 bits.
func (n Number) Int() (int, bool) {
	if n.unscaled == nil {
		return 0, true
	}
	if n.scale > 0 || n.unscaled.BitLen() > 31 {
		return 0, false
	}
	return int(n.unscaled.Int64()), true
}

// String writes the number in plain decimal: no exponent, no trailing zeros.
func (n Number) String() string {
	if n.unscaled == nil {
		return "0"
	}
	digits := new(big.Int).Abs(n.unscaled).Text(10)
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	if n.scale == 0 {
		return sign + digits
	}
	if missing := n.scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	return sign + digits[:len(digits)-n.scale] + "." + digits[len(digits)-n.scale:]
}

// MarshalJSON writes a JSON number.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalJSON reads a JSON number; null changes nothing.
func (n *Number) UnmarshalJSON(data []byte) (err error) {
	if string(data) == "null" {
		return nil
	}
	*n, err = ParseNumber(string(data))
	return err
}

// UnmarshalNode reads a number of a source file.
func (n *Number) UnmarshalNode(node *schema.Node, d *schema.Diagnostics) {
	number, err := ParseNumber(node.Value)
	if node.Kind != schema.Number || err != nil {
		d.WrongType(node, "", "a number")
		return
	}
	*n = number
}

// Describe tells readers about the source form.
func (Number) Describe() schema.Description {
	return schema.Description{Name: "number", Doc: "An exact decimal number.", Schema: map[string]any{"type": "number"}}
}
