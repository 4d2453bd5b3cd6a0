package storage

// WaitForPacking waits until nothing is packed in the background.
func (r *Records) WaitForPacking() { r.background.Wait() }
