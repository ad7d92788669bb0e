// LeNet with batch normalisation (lecture notes 1.11; B3): a learning rate of 1, where LeNet alone needs ten epochs
// to leave its plateau.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach({.about = "LeNet with batch normalisation on Fashion-MNIST",
                                .model = "bn_lenet",
                                .training = {.lr = 1},
                                .parameters = 44878,
                                .accuracy = 0.7},
                               argc, argv);
}
