package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

const (
	// maxBody bounds a JSON body in bytes.
	maxBody = 1 << 20
	// bodyWait is how long a JSON body may take to come.
	bodyWait = 30 * time.Second
	// onlyAccount names, in a path, the account of an agent that has only one.
	onlyAccount = "-"
)

// request is part of the input of every operation.
type request struct {
	http   *http.Request
	writer http.ResponseWriter
}

// Resolve keeps the request. The time for the body is over: its deadline would end the
// request while it is being answered.
func (r *request) Resolve(ctx huma.Context) []error {
	r.http, r.writer = humago.Unwrap(ctx)
	_ = http.NewResponseController(r.writer).SetReadDeadline(time.Time{}) // where there is a deadline, it can be set
	return nil
}

var _ huma.Resolver = (*request)(nil)

// AccountPath is the input of operations on an account. It is exported for huma, as [AppendHeaders] is.
type AccountPath struct {
	request
	Account string `path:"account" minLength:"1" maxLength:"1024" doc:"The account's name or an alias of it, percent-encoded; - is the only account" example:"alice.eth"`
}

// ConversationPath is the input of operations on a conversation. It is exported for huma, as [AppendHeaders] is.
type ConversationPath struct {
	AccountPath
	Contact string `path:"contact" minLength:"1" maxLength:"1024" doc:"The contact's dm3 name, percent-encoded" example:"bob.eth"`
}

// toProblem turns the errors that huma makes into problem documents; everything else passes.
func toProblem(ctx huma.Context, _ string, value any) (any, error) {
	model, ok := value.(*huma.ErrorModel)
	if !ok {
		return value, nil
	}
	if wire := unread(model); wire != nil {
		if corrected, ok := ctx.(*correctedContext); ok {
			corrected.status = wire.Status
		}
		return wire, nil
	}
	var wire *Error
	switch model.Status {
	case http.StatusRequestEntityTooLarge:
		wire = wireError(fmt.Errorf("%w: at most %d bytes are taken", ErrBodyTooLarge, maxBody-1))
	case http.StatusUnsupportedMediaType:
		wire = wireError(fmt.Errorf("%w: send application/json", ErrMediaType))
	case http.StatusRequestTimeout:
		wire = wireError(fmt.Errorf("%w: at most %v are waited for", ErrTooSlow, bodyWait))
	case http.StatusBadRequest:
		wire = wireError(fmt.Errorf("%w: the body must be one JSON document", ErrRequest))
	case http.StatusUnprocessableEntity:
		wire = wireError(ErrInvalid)
	default:
		wire = wireError(fmt.Errorf("the request could not be answered: %s", http.StatusText(model.Status)))
	}
	wire.Status = model.Status
	for _, detail := range model.Errors {
		if found, ok := faultOf(detail); ok {
			wire.Faults = append(wire.Faults, found)
		}
	}
	if wire.Status == http.StatusUnprocessableEntity && len(wire.Faults) > 0 {
		wire.Text = fmt.Sprintf("%s: %s: %s", ErrInvalid.Error(), wire.Faults[0].Location, wire.Faults[0].Message)
	}
	return wire, nil
}

// humaContext is huma's under a name that none of its methods has.
type humaContext = huma.Context

// correctedContext can answer with another status than huma has in mind.
type correctedContext struct {
	humaContext
	status int // 0: huma's
}

// correct is the middleware that makes one for each request.
func correct(ctx huma.Context, next func(huma.Context)) { next(&correctedContext{humaContext: ctx}) }

// Unwrap gives huma the context inside.
func (c *correctedContext) Unwrap() huma.Context { return c.humaContext }

// SetStatus begins the answer.
func (c *correctedContext) SetStatus(status int) {
	if c.status != 0 {
		status = c.status
	}
	c.humaContext.SetStatus(status)
}

// unread is a body that broke off, or that somebody before this handler found too long.
func unread(model *huma.ErrorModel) *Error {
	if model.Status != http.StatusInternalServerError || model.Detail != "cannot read request body" {
		return nil
	}
	for _, detail := range model.Errors {
		if detail.Message == (&http.MaxBytesError{}).Error() {
			return wireError(ErrBodyTooLarge)
		}
	}
	return wireError(fmt.Errorf("%w: the body broke off", ErrRequest))
}

// faultOf takes over what huma says of one part of a request, without what was sent.
func faultOf(detail *huma.ErrorDetail) (Fault, bool) {
	fault := Fault{Location: detail.Location, Message: detail.Message}
	if detail.Location == "body" && !strings.HasPrefix(detail.Message, "expected") {
		fault.Message = "it must be one JSON document of the kind that the operation takes"
	}
	if strings.HasPrefix(detail.Message, "un") { // unexpected property, unknown query parameter: the name was sent
		fault.Location, _, _ = strings.Cut(detail.Location, ".")
	}
	if sent := fmt.Sprint(detail.Value); sent != "" && strings.Contains(fault.Message, sent) {
		fault.Message = "it is not of the form that is needed"
	}
	return fault, fault.Message != ""
}
