package crm

// Records that actions create for people.
const (
	ObjectTask = "task"
	ObjectNote = "note"
)

// A task whose status becomes completed is an event of the task and of the records that it is about.
const (
	TaskStatus         = "status"
	TaskOpen           = "not_started"
	TaskCompleted      = "completed"
	EventTaskCompleted = "task_completed"
)
