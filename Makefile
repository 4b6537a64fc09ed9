# The commands around the container; docs/ecs.md says what each is for.

IMAGE ?= tallyho
CONFIG ?= config.json

.PHONY: build build-docker start start-docker source-zip check-docker

# The program as it is shipped, with a profile of its load; prints where it is.
build:
	./dist.sh

# The image.
build-docker:
	docker build -t $(IMAGE) .

# Runs ./config.json here, without AWS, as the first task of a test.
start:
	cargo run --locked --release -- run $(CONFIG) --task-index 0

# Uploads ./config.json as the console does, and runs the image as ECS does.
start-docker: build-docker
	IMAGE=$(IMAGE) CONFIG=$(CONFIG) docker/start.sh

# What the pipeline builds the image from: all that is committed, the Dockerfile at the root.
source-zip:
	git archive --format=zip -o container.zip HEAD

# Takes the Dockerfile's steps without Docker, as far as they go.
check-docker:
	docker/check.sh
