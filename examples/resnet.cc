// ResNet-18 (lecture notes 1.10; R-L2): residual blocks, at 96 x 96.
#include "examples/lesson.h"

int main(int argc, char** argv) {
  return weft::examples::teach({.about = "ResNet-18 on Fashion-MNIST at 96 x 96; minutes an epoch on a CPU",
                                .model = "resnet18_d2l",
                                .training = {.lr = 0.05, .image_size = 96},
                                .parameters = 11178378,
                                .accuracy = 0.85},
                               argc, argv);
}
