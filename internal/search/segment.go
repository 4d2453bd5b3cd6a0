package search

import (
	"cmp"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/dm3sync/dm3sync/cache"
)

// maxBlock bounds a block, sealed; a footer may be larger.
const maxBlock = 64 << 10

// segment is an open segment. Its methods are safe for concurrent use until it is closed.
type segment struct {
	info    segmentInfo
	cipher  cipher.AEAD
	blocks  *blockCache
	mu      sync.Mutex // held while reading file
	file    cache.FileReader
	itemsAt []blockAt
	times   []int64
	listsAt []blockAt
	written int64
	termsAt []termsBlock

	contacts []string
}

// maxFooter bounds a footer: a segment has a million documents at most.
const maxFooter = 64 << 20

// openSegment opens a file that the manifest names. What is not as the manifest says is errDamaged.
func openSegment(disk cache.Disk, path string, info segmentInfo, aead cipher.AEAD, blocks *blockCache, intern func(string) string) (*segment, error) {
	file, err := disk.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("search: open segment: %w", err)
	}
	s := &segment{info: info, cipher: aead, blocks: blocks, file: file}
	length := info.size - info.footer
	if length < chacha20poly1305.Overhead || length > maxFooter || info.footer < 0 {
		return nil, errors.Join(fmt.Errorf("search: open segment: %w", errDamaged), file.Close())
	}
	plain, err := s.open(blockAt{info.footer, int(length)})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	d := decoder{bytes: plain}
	s.itemsAt = d.blocks()
	for range s.itemsAt {
		s.times = append(s.times, d.signed())
	}
	s.listsAt = d.blocks()
	s.written = int64(d.number())
	for range d.count() {
		s.termsAt = append(s.termsAt, termsBlock{blockAt: d.block(), first: d.text(), lists: int64(d.number())})
	}
	for range d.count() {
		s.contacts = append(s.contacts, intern(d.text()))
	}
	if d.bad || len(d.bytes) > 0 || (info.documents+blockDocuments-1)/blockDocuments != len(s.itemsAt) {
		return nil, errors.Join(fmt.Errorf("search: read segment: %w", errDamaged), file.Close())
	}
	return s, nil
}

func (s *segment) close() error {
	s.blocks.drop(s.info.name)
	return s.file.Close()
}

// open reads a block past the cache.
func (s *segment) open(at blockAt) ([]byte, error) {
	sealed := make([]byte, at.length)
	s.mu.Lock()
	_, err := s.file.ReadAt(sealed, at.offset)
	s.mu.Unlock()
	if err != nil {
		return nil, &segmentError{s.info.name, fmt.Errorf("%w: %w", errDamaged, err)}
	}
	plain, err := s.cipher.Open(sealed[:0], nonce(s.info.name, at.offset), sealed, []byte(formatVersion))
	if err != nil {
		return nil, &segmentError{s.info.name, errDamaged}
	}
	return plain, nil
}

// block reads a block, through the cache.
func (s *segment) block(at blockAt) ([]byte, error) {
	key := blockKey{s.info.name, at.offset}
	if plain, ok := s.blocks.get(key); ok {
		return plain, nil
	}
	plain, err := s.open(at)
	if err == nil {
		s.blocks.put(key, plain)
	}
	return plain, err
}

func (s *segment) documents() int { return s.info.documents }

func (s *segment) document(number uint32) (document, error) {
	block := int(number / blockDocuments)
	if block >= len(s.itemsAt) {
		return document{}, errDamaged
	}
	plain, err := s.block(s.itemsAt[block])
	if err != nil {
		return document{}, err
	}
	at := int(number%blockDocuments) * documentBytes
	if at+documentBytes > len(plain) {
		return document{}, errDamaged
	}
	d, contact := readDocument(plain[at:])
	if int(contact) >= len(s.contacts) {
		return document{}, errDamaged
	}
	d.contact, d.kind = s.contacts[contact], plain[at+documentBytes-1]
	return d, nil
}

// from is the number of the first document that is not before a place.
func (s *segment) from(p place) (uint32, error) {
	// The last block that begins before the place, and all of one time before it, may have it.
	block, _ := slices.BinarySearch(s.times, p.at)
	low, high := uint32(max(block-1, 0)*blockDocuments), uint32(s.info.documents)
	if end, _ := slices.BinarySearchFunc(s.times, p.at, func(at, want int64) int {
		return cmp.Or(cmp.Compare(at, want), -1)
	}); end < len(s.times) {
		high = uint32(end * blockDocuments)
	}
	for low < high {
		middle := (low + high) / 2
		d, err := s.document(middle)
		if err != nil {
			return 0, err
		}
		if d.place().compare(p) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// has tells whether a message, or its tombstone, is there.
func (s *segment) has(want *document) (bool, error) {
	if want.at < s.info.first || want.at > s.info.last {
		return false, nil
	}
	number, err := s.from(want.place())
	for ; err == nil && int(number) < s.info.documents; number++ {
		var d document
		if d, err = s.document(number); err != nil || d.place() != want.place() {
			break
		}
		if d.same(want) && d.tombstone() == want.tombstone() {
			return true, nil
		}
	}
	return false, err
}

func (s *segment) newest(ctx context.Context, found set, w window, visit func(document) bool) error {
	bound := place{at: w.to}
	if w.before != nil && w.before.at < w.to {
		bound = *w.before
	}
	end, err := s.from(bound)
	if err != nil || end == 0 {
		return err
	}
	for i := int(end-1) / 64; i >= 0; i-- {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for word := found[i]; word != 0; {
			bit := 63 - bits.LeadingZeros64(word)
			word &^= 1 << bit
			number := uint32(i*64 + bit)
			if number >= end {
				continue
			}
			d, err := s.document(number)
			if err != nil {
				return err
			}
			if d.at < w.from || !visit(d) {
				return nil
			}
		}
	}
	return nil
}

// walk goes through the terms of a segment.
type walk struct {
	segment  *segment
	block    int // the next one
	rest     decoder
	at       int64 // where the next term's posting list begins
	previous string
}

// next returns a term, and where its posting list is; false at the end.
func (w *walk) next() (term string, at, length int64, ok bool, err error) {
	if len(w.rest.bytes) == 0 {
		if w.block >= len(w.segment.termsAt) {
			return "", 0, 0, false, nil
		}
		block := &w.segment.termsAt[w.block]
		plain, err := w.segment.block(block.blockAt)
		if err != nil {
			return "", 0, 0, false, err
		}
		w.rest, w.at, w.previous, w.block = decoder{bytes: plain}, block.lists, "", w.block+1
	}
	shared, rest := w.rest.number(), w.rest.text()
	length, at = int64(w.rest.number()), w.at
	if w.rest.bad || shared > uint64(len(w.previous)) {
		return "", 0, 0, false, errDamaged
	}
	w.previous, w.at = w.previous[:shared]+rest, at+length
	return w.previous, at, length, true, nil
}

// terms goes through the terms of which the first may be as given, until visit returns false.
func (s *segment) terms(first string, visit func(term string, at, length int64) (bool, error)) error {
	for w := (walk{segment: s, block: s.blockOf(first)}); ; {
		term, at, length, ok, err := w.next()
		if err != nil || !ok {
			return err
		}
		if term < first {
			continue
		}
		if more, err := visit(term, at, length); err != nil || !more {
			return err
		}
	}
}

// blockOf is the block of terms in which a term would stand.
func (s *segment) blockOf(term string) int {
	at, found := slices.BinarySearchFunc(s.termsAt, term, func(b termsBlock, want string) int { return strings.Compare(b.first, want) })
	if !found && at > 0 {
		at--
	}
	return at
}

func (s *segment) list(term string) (list *cursor, size int, err error) {
	err = s.terms(term, func(first string, at, length int64) (bool, error) {
		if first == term {
			list, size = s.postings(at, length), int(length)
		}
		return false, nil
	})
	return list, size, err
}

// lists hands out one cursor again and again: a short beginning has very many terms, and their lists lie side by side.
func (s *segment) lists(prefix string, visit func(*cursor) error) error {
	list := s.postings(0, 0)
	return s.terms(prefix, func(term string, at, length int64) (bool, error) {
		if !strings.HasPrefix(term, prefix) {
			return false, nil
		}
		list.begin(at, length)
		return true, visit(list)
	})
}

// postings opens a piece of the posting lists.
func (s *segment) postings(at, length int64) *cursor {
	list := &cursor{stream: stream{segment: s, block: -1}}
	list.begin(at, length)
	return list
}

// stream is a piece of a segment's posting lists, block by block.
type stream struct {
	segment  *segment
	at, left int64
	block    int // of plain; -1: none
	plain    []byte
}

// next returns the bytes that come next; nil at the end.
func (r *stream) next() ([]byte, error) {
	if r.left == 0 {
		return nil, nil
	}
	block, within := int(r.at/blockPostings), r.at%blockPostings
	if block >= len(r.segment.listsAt) || r.at+r.left > r.segment.written {
		return nil, errDamaged
	}
	if block != r.block {
		plain, err := r.segment.block(r.segment.listsAt[block])
		if err != nil {
			return nil, err
		}
		r.block, r.plain = block, plain
	}
	if within >= int64(len(r.plain)) {
		return nil, errDamaged
	}
	piece := r.plain[within:min(int64(len(r.plain)), within+r.left)]
	r.at, r.left = r.at+int64(len(piece)), r.left-int64(len(piece))
	return piece, nil
}
