package engine

import (
	"errors"

	"github.com/dm3sync/dm3sync/internal/container"
)

// A head from the provider is taken in by whoever read it: kept in the cache, united
// with the catalogue, and heeded.

// takeHead opens a head from the provider. One that can't be opened is named
// in the status and left alone; it is looked at again in each pass.
func (e *Engine) takeHead(name string, sealed []byte) error {
	head, err := e.openNamed(name, sealed)
	if err != nil {
		e.misread(name, err)
		return nil
	}
	return e.takeOpened(name, sealed, head)
}

// misread names a head that can't be opened, when all others were read.
func (e *Engine) misread(name string, err error) {
	e.mu.Lock()
	confirmed := e.heads[name] != nil || e.confirmed(name)
	e.mu.Unlock()
	kind, detail := fault(err)
	// A put that was cut off may leave a part of a head, on any place: only
	// acknowledged ones are promised to be whole. That this one was shows when
	// its writer went on without calling it void, or when somebody read it.
	// No part of a head opens as another one.
	certain := kind != "newer" && (confirmed || kind == "swapped") && !e.o.Store.Properties().Carried
	e.problem(Problem{Kind: kind, Alarm: certain, Object: e.headObject(name), Detail: detail})
}

// takeOpened makes a head from the provider part of the catalogue.
func (e *Engine) takeOpened(name string, sealed []byte, head *container.Head) error {
	e.readable(e.headObject(name))
	if e.isClone(head) {
		if err := e.rename(); err != nil {
			return err
		}
	}
	if err := errors.Join(e.doubt(e.replacedBy(head)), e.keepHead(name, sealed), e.meet(head.Device)); err != nil {
		return err
	}
	e.adopt(name, int64(len(sealed)), head)
	if err := e.heed(head); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heads[name].shown = true
	return nil
}

// heed notes what a head from the provider, whose states are in the catalogue, gives
// this device to do.
func (e *Engine) heed(head *container.Head) error {
	if err := e.study(head); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if head.Device != e.device {
		e.others[head.Device] = e.passes
		e.receive(head)
		e.notice(head)
	}
	for i := range head.Talks {
		contact := head.Talks[i].Contact
		if e.shapeless(e.catalogue.Conversations[contact]) {
			e.strayed = append(e.strayed, contact)
		}
		if e.catalogue.Conversations[contact].Purges() {
			e.purges[contact] = true
		}
	}
	return nil
}
