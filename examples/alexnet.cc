// AlexNet (lecture notes 1.8; CN2): eight layers with ReLUs, dropout and overlapping pools, at 224 x 224.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach({.about = "AlexNet on Fashion-MNIST at 224 x 224; minutes an epoch on a CPU",
                                .model = "alexnet_d2l",
                                .training = {.lr = 0.01, .batch = 128, .image_size = 224},
                                .parameters = 46764746,
                                .accuracy = 0.86},
                               argc, argv);
}
