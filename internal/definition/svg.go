package definition

import (
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Measures of a drawing, in pixels.
const (
	boxWidth  = 208
	boxHeight = 46
	pill      = 28 // height of a start, a jump and an end
	below     = 30 // an arrow
	forking   = 50 // from an action down to its blocks, with the names of the ports
	joining   = 16 // from its blocks to where they meet
	aside     = 24 // between blocks
	margin    = 20
)

// SVG draws the definition as a picture of its blocks: ways run downwards side by side and meet again, and a jump is
// a sign that names where it leads. No line crosses another.
func (f *File) SVG() string {
	main := layOut(f.Actions)
	width, height := max(main.width, boxWidth)+2*margin, main.height+2*(margin+pill+below)
	d := &drawing{}
	fmt.Fprintf(&d.out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`, width, height, width, height)
	fmt.Fprintf(&d.out, "\n<title>%s</title>\n%s", escaped(f.Workflow.Text), style)
	x, y := width/2, margin
	d.sign(x, y, "start", f.Object.Text+", "+f.entrance())
	d.arrow(x, y+pill, below)
	y += pill + below
	d.stack(main, x, y)
	if main.open {
		if len(main.items) > 0 {
			d.arrow(x, y+main.height, below)
		}
		d.sign(x, height-margin-pill, "end", "end")
	}
	d.out.WriteString("</svg>\n")
	return d.out.String()
}

const style = `<style>
svg { background: #fff; font: 13px system-ui, sans-serif; text-anchor: middle; }
rect { fill: #fff; stroke: #60708a; } .wait { fill: #fff6dd; } .fork { fill: #e6effc; } .placeholder { stroke-dasharray: 4 4; }
.start, .end { fill: #60708a; } .jump { fill: #eceff4; } .start + text, .end + text { fill: #fff; }
.kind { font-size: 11px; fill: #60708a; } .port { font-size: 11px; fill: #334; stroke: #fff; stroke-width: 4; paint-order: stroke; }
path { fill: none; stroke: #60708a; } .tip { fill: #60708a; stroke: none; }
</style>
`

// stack is a block with its measures. It is open when people go on below it.
type stack struct {
	items         []item
	width, height int
	open          bool
}

// item is an action of a block with the blocks that hang below it.
type item struct {
	*Action
	lanes         []lane
	width, height int
	open          bool
}

// lane is a block with the port that leads into it.
type lane struct {
	stack
	port string
}

func layOut(block Block) stack {
	s := stack{width: boxWidth / 2, open: true}
	for i, act := range block {
		one := layOutAction(act)
		if i > 0 {
			s.height += below
		}
		s.items, s.width, s.height, s.open = append(s.items, one), max(s.width, one.width), s.height+one.height, one.open
	}
	return s
}

func layOutAction(act *Action) item {
	if !act.isUse() {
		return item{Action: act, width: signWidth(act.sign()), height: pill, open: act.MaxVisits > 0}
	}
	one := item{Action: act, width: boxWidth, height: boxHeight, open: true}
	if len(act.Then) == 0 {
		return one
	}
	for _, branch := range act.Then {
		one.lanes = append(one.lanes, lane{layOut(branch.Block), branch.Port})
	}
	if rest, falls := act.rest(); falls {
		one.lanes = append(one.lanes, lane{layOut(nil), rest})
	}
	one.open = false
	total, deepest := -aside, 0
	for i := range one.lanes {
		lane := &one.lanes[i]
		lane.width = max(lane.width, 7*utf8.RuneCountInString(lane.port))
		total, deepest, one.open = total+lane.width+aside, max(deepest, lane.height), one.open || lane.open
	}
	one.width, one.height = max(one.width, total), boxHeight+forking+deepest+joining
	return one
}

// drawing writes shapes. x is always the middle, y the top.
type drawing struct{ out strings.Builder }

func (d *drawing) stack(s stack, x, y int) {
	for i, one := range s.items {
		if i > 0 {
			if s.items[i-1].open {
				d.arrow(x, y, below)
			}
			y += below
		}
		d.item(one, x, y)
		y += one.height
	}
}

func (d *drawing) item(one item, x, y int) {
	if !one.isUse() {
		class := "jump"
		if one.End {
			class = "end"
		}
		d.sign(x, y, class, one.sign())
		return
	}
	d.box(one.Action, x, y)
	left := x + aside/2
	for _, lane := range one.lanes {
		left -= (lane.width + aside) / 2
	}
	for _, lane := range one.lanes {
		at, top := left+lane.width/2, y+boxHeight+forking
		d.line("M %d %d v 14 H %d V %d", x, y+boxHeight, at, top)
		d.text(at, y+boxHeight+32, "port", lane.port, 100)
		if len(lane.items) > 0 {
			d.tip(at, top)
		}
		d.stack(lane.stack, at, top)
		if lane.open {
			d.line("M %d %d V %d H %d", at, top+lane.height, y+one.height, x)
		}
		left += lane.width + aside
	}
}

func (d *drawing) box(act *Action, x, y int) {
	class := act.shape()
	if act.Placeholder {
		class += " placeholder"
	}
	title := act.title()
	fmt.Fprintf(&d.out, `<g><title>%s</title><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="6"/>`,
		escaped(strings.Join(title, "\n")), class, x-boxWidth/2, y, boxWidth, boxHeight)
	d.text(x, y+19, "label", title[0], 28)
	d.text(x, y+35, "kind", title[1], 34)
	d.out.WriteString("</g>\n")
}

// sign is where people come in, jump or leave.
func (d *drawing) sign(x, y int, class, text string) {
	width := signWidth(text)
	fmt.Fprintf(&d.out, `<g><title>%s</title><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`,
		escaped(text), class, x-width/2, y, width, pill, pill/2)
	d.text(x, y+18, "sign", text, 28)
	d.out.WriteString("</g>\n")
}

func signWidth(text string) int { return min(boxWidth, 7*utf8.RuneCountInString(text)+28) }

// sign is what a jump or an end says.
func (a *Action) sign() string {
	switch {
	case a.End:
		return "end"
	case a.MaxVisits > 0:
		return strings.Join(a.title(), ", ")
	default:
		return "go to " + a.GoTo
	}
}

func (d *drawing) arrow(x, y, length int) {
	d.line("M %d %d v %d", x, y, length)
	d.tip(x, y+length)
}

func (d *drawing) line(path string, numbers ...any) {
	fmt.Fprintf(&d.out, "<path d=\"%s\"/>\n", fmt.Sprintf(path, numbers...))
}

// tip is the head of an arrow that ends at a point.
func (d *drawing) tip(x, y int) {
	fmt.Fprintf(&d.out, "<path class=\"tip\" d=\"M %d %d l -4 -8 h 8 z\"/>\n", x, y)
}

// text writes one line, shortened to a number of characters.
func (d *drawing) text(x, y int, class, text string, most int) {
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most-1]) + "…"
	}
	fmt.Fprintf(&d.out, `<text class="%s" x="%d" y="%d">%s</text>`, class, x, y, escaped(text))
}

func escaped(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // into memory
	return out.String()
}
