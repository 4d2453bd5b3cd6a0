package engine

// ForgetPortraits lets the next list describe all conversations anew.
func (e *Engine) ForgetPortraits() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collect()
	clear(e.news.portraits)
}
