// Package acceptance shows on real chat, through the real program and on real places, what a user is promised: the whole
// history arrives on every device, whatever is killed on the way; a new device reads in three round trips; bad input harms
// nothing but itself; and the place learns neither names nor times.
//
// It holds tests only. They run in a reduced form, on the embedded sample, unless DM3SYNC_ACCEPTANCE is "full": then they
// take the whole corpus, in 100 and in 22,808 conversations, and print figures. The tests on S3 use a server in this process
// unless DM3SYNC_TEST_MINIO names one.
//
// Import order: above everything but cmd, whose program it builds and runs; nothing imports it.
package acceptance
