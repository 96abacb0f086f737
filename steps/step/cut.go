package step

import "strings"

// Cut is [Redactor.String] for text that was shortened before: it also replaces
// what is left of a secret where mark tells that something was cut out.
func (r *Redactor) Cut(text, mark string) string {
	text = r.String(text)
	pieces := strings.Split(text, mark)
	if len(pieces) == 1 {
		return text
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i, piece := range pieces {
		if i < len(pieces)-1 {
			piece = r.withoutHead(piece)
		}
		if i > 0 {
			piece = r.withoutTail(piece)
		}
		pieces[i] = piece
	}
	return strings.Join(pieces, mark)
}

// withoutHead replaces the head of a secret that ends a piece.
func (r *Redactor) withoutHead(piece string) string {
	body := strings.TrimRight(piece, " ")
	longest := 0
	for _, needle := range r.needles {
		for n := min(len(needle)-1, len(body)); n >= minSecret && n > longest; n-- {
			if strings.HasSuffix(body, needle[:n]) {
				longest = n
			}
		}
	}
	if longest == 0 {
		return piece
	}
	return body[:len(body)-longest] + Redacted + piece[len(body):]
}

// withoutTail replaces the tail of a secret that begins a piece.
func (r *Redactor) withoutTail(piece string) string {
	body := strings.TrimLeft(piece, " ")
	longest := 0
	for _, needle := range r.needles {
		for n := min(len(needle)-1, len(body)); n >= minSecret && n > longest; n-- {
			if strings.HasPrefix(body, needle[len(needle)-n:]) {
				longest = n
			}
		}
	}
	if longest == 0 {
		return piece
	}
	return piece[:len(piece)-len(body)] + Redacted + body[longest:]
}
