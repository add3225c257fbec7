"""Settings of a training found by trying them on somebody's own music, and the learning rate alone by a rising one."""
