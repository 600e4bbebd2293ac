using Tessera.Checkpoints;
using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The network behind FID and the Inception Score: Inception-v3 as the TensorFlow graph of December 2015 has it, with the names of the
/// weights that pytorch-fid publishes (<c>pt_inception-2015-12-05</c>). Szegedy et al., 2015, arXiv:1512.00567.
/// </summary>
/// <remarks>
/// It differs from other Inception-v3 networks: 1008 classes, averages that leave padding out, a maximum in the pooling branch of the last
/// block, no second classifier. Figures of another network are no FID.
/// </remarks>
public sealed partial class FidInception : Layer
{
    /// <summary>Numbers of a feature.</summary>
    public const int NumFeatures = 2048;

    private const double Eps = 1e-3;

    [Name("Conv2d_1a_3x3")]
    private readonly Unit first = new(3, 32, 3, stride: 2);

    [Name("Conv2d_2a_3x3")]
    private readonly Unit second = new(32, 32, 3);

    [Name("Conv2d_2b_3x3")]
    private readonly Unit third = new(32, 64, 3, padding: 1);

    [Name("Conv2d_3b_1x1")]
    private readonly Unit fourth = new(64, 80, 1);

    [Name("Conv2d_4a_3x3")]
    private readonly Unit fifth = new(80, 192, 3);

    [Name("Mixed_5b")]
    private readonly BlockA mixed5b = new(192, 32);

    [Name("Mixed_5c")]
    private readonly BlockA mixed5c = new(256, 64);

    [Name("Mixed_5d")]
    private readonly BlockA mixed5d = new(288, 64);

    [Name("Mixed_6a")]
    private readonly BlockB mixed6a = new();

    [Name("Mixed_6b")]
    private readonly BlockC mixed6b = new(128);

    [Name("Mixed_6c")]
    private readonly BlockC mixed6c = new(160);

    [Name("Mixed_6d")]
    private readonly BlockC mixed6d = new(160);

    [Name("Mixed_6e")]
    private readonly BlockC mixed6e = new(192);

    [Name("Mixed_7a")]
    private readonly BlockD mixed7a = new();

    [Name("Mixed_7b")]
    private readonly BlockE mixed7b = new(1280, maximum: false);

    [Name("Mixed_7c")]
    private readonly BlockE mixed7c = new(2048, maximum: true);

    private readonly Linear fc;
    private readonly int resize;

    /// <summary>A network whose weights are still to be loaded.</summary>
    /// <param name="classes">Outputs of the classifier; those of the graph are 1008.</param>
    /// <param name="resize">Side that images are brought to, in pixels.</param>
    public FidInception(int classes = 1008, int resize = 299)
    {
        this.resize = resize;
        fc = new Linear(NumFeatures, classes);
    }

    /// <summary>The network with the published weights, in evaluation mode.</summary>
    /// <param name="file">The file of pytorch-fid, or the same weights as safetensors.</param>
    /// <param name="device">Where it shall compute; the CPU by default.</param>
    /// <exception cref="CheckpointException">The file cannot be read, or holds no weights.</exception>
    /// <exception cref="StateDictException">Names or shapes are not those of the network.</exception>
    public static FidInception Load(string file, Device? device = null)
    {
        FidInception network;
        using (Init.Skip())
            network = new();
        using (new Scope())
        using (var checkpoint = Checkpoint.Open(file))
            network.LoadStateDict(checkpoint.FindStateDict().Tensors);
        network.To(device ?? Device.Cpu);
        network.Eval();
        return network;
    }

    /// <summary>The logits of features.</summary>
    /// <param name="features">[B, <see cref="NumFeatures"/>].</param>
    /// <returns>[B, classes].</returns>
    public Tensor Classify(Tensor features) => fc.Call(features);

    /// <summary>
    /// Features [B, <see cref="NumFeatures"/>] of images [B, 3, H, W] in [0, 1]. Records the means of the maps after the first and second
    /// pooling and before and after the last reduction as <c>block0</c> to <c>block3</c>.
    /// </summary>
    protected override Tensor Forward(Tensor input)
    {
        // Half-pixel centers, and no filter against aliasing where it shrinks.
        var x = input.ResizeTo(resize, resize) * 2 - 1;
        x = third.Call(second.Call(first.Call(x))).MaxPool2d(3, 2);
        RecordMean("block0", x); // [B, 64, 73, 73]
        x = fifth.Call(fourth.Call(x)).MaxPool2d(3, 2);
        RecordMean("block1", x); // [B, 192, 35, 35]
        x = mixed5d.Call(mixed5c.Call(mixed5b.Call(x)));
        x = mixed6e.Call(mixed6d.Call(mixed6c.Call(mixed6b.Call(mixed6a.Call(x)))));
        RecordMean("block2", x); // [B, 768, 17, 17]
        x = mixed7c.Call(mixed7b.Call(mixed7a.Call(x))); // [B, 2048, 8, 8]
        return Record("block3", x.Mean([2, 3]));
    }

    private void RecordMean(string name, Tensor map) => Record(name, map.Mean([2, 3]));

    // Without its padding: a mean over fewer positions at the border.
    private static Tensor Average(Tensor map) => map.AvgPool2d(3, 1, 1, countIncludePad: false);

    /// <summary>Convolution, batch norm, ReLU.</summary>
    private sealed partial class Unit(int inputs, int outputs, IntList kernel, int stride = 1, IntList padding = default) : Layer
    {
        private readonly Conv2d conv = new(inputs, outputs, kernel, stride, padding, bias: false);
        private readonly BatchNorm bn = new(outputs, Eps);

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input)).Relu();
    }

    /// <summary>Maps of stride 8: 1x1, 5x5, twice 3x3, average.</summary>
    private sealed partial class BlockA(int inputs, int pooled) : Layer
    {
        private readonly Unit branch1x1 = new(inputs, 64, 1);

        [Name("branch5x5_1")]
        private readonly Unit five1 = new(inputs, 48, 1);

        [Name("branch5x5_2")]
        private readonly Unit five2 = new(48, 64, 5, padding: 2);

        [Name("branch3x3dbl_1")]
        private readonly Unit three1 = new(inputs, 64, 1);

        [Name("branch3x3dbl_2")]
        private readonly Unit three2 = new(64, 96, 3, padding: 1);

        [Name("branch3x3dbl_3")]
        private readonly Unit three3 = new(96, 96, 3, padding: 1);

        private readonly Unit branchPool = new(inputs, pooled, 1);

        protected override Tensor Forward(Tensor input) =>
            Torch.Cat(
                [
                    branch1x1.Call(input),
                    five2.Call(five1.Call(input)),
                    three3.Call(three2.Call(three1.Call(input))),
                    branchPool.Call(Average(input)),
                ],
                1
            );
    }

    /// <summary>From stride 8 to 16.</summary>
    private sealed partial class BlockB : Layer
    {
        private readonly Unit branch3x3 = new(288, 384, 3, stride: 2);

        [Name("branch3x3dbl_1")]
        private readonly Unit three1 = new(288, 64, 1);

        [Name("branch3x3dbl_2")]
        private readonly Unit three2 = new(64, 96, 3, padding: 1);

        [Name("branch3x3dbl_3")]
        private readonly Unit three3 = new(96, 96, 3, stride: 2);

        protected override Tensor Forward(Tensor input) =>
            Torch.Cat([branch3x3.Call(input), three3.Call(three2.Call(three1.Call(input))), input.MaxPool2d(3, 2)], 1);
    }

    /// <summary>Maps of stride 16: kernels of 7 in one direction after the other.</summary>
    private sealed partial class BlockC(int width) : Layer
    {
        private readonly Unit branch1x1 = new(768, 192, 1);

        [Name("branch7x7_1")]
        private readonly Unit seven1 = new(768, width, 1);

        [Name("branch7x7_2")]
        private readonly Unit seven2 = new(width, width, (1, 7), padding: (0, 3));

        [Name("branch7x7_3")]
        private readonly Unit seven3 = new(width, 192, (7, 1), padding: (3, 0));

        [Name("branch7x7dbl_1")]
        private readonly Unit double1 = new(768, width, 1);

        [Name("branch7x7dbl_2")]
        private readonly Unit double2 = new(width, width, (7, 1), padding: (3, 0));

        [Name("branch7x7dbl_3")]
        private readonly Unit double3 = new(width, width, (1, 7), padding: (0, 3));

        [Name("branch7x7dbl_4")]
        private readonly Unit double4 = new(width, width, (7, 1), padding: (3, 0));

        [Name("branch7x7dbl_5")]
        private readonly Unit double5 = new(width, 192, (1, 7), padding: (0, 3));

        private readonly Unit branchPool = new(768, 192, 1);

        protected override Tensor Forward(Tensor input) =>
            Torch.Cat(
                [
                    branch1x1.Call(input),
                    seven3.Call(seven2.Call(seven1.Call(input))),
                    double5.Call(double4.Call(double3.Call(double2.Call(double1.Call(input))))),
                    branchPool.Call(Average(input)),
                ],
                1
            );
    }

    /// <summary>From stride 16 to 32.</summary>
    private sealed partial class BlockD : Layer
    {
        [Name("branch3x3_1")]
        private readonly Unit three1 = new(768, 192, 1);

        [Name("branch3x3_2")]
        private readonly Unit three2 = new(192, 320, 3, stride: 2);

        [Name("branch7x7x3_1")]
        private readonly Unit seven1 = new(768, 192, 1);

        [Name("branch7x7x3_2")]
        private readonly Unit seven2 = new(192, 192, (1, 7), padding: (0, 3));

        [Name("branch7x7x3_3")]
        private readonly Unit seven3 = new(192, 192, (7, 1), padding: (3, 0));

        [Name("branch7x7x3_4")]
        private readonly Unit seven4 = new(192, 192, 3, stride: 2);

        protected override Tensor Forward(Tensor input) =>
            Torch.Cat(
                [three2.Call(three1.Call(input)), seven4.Call(seven3.Call(seven2.Call(seven1.Call(input)))), input.MaxPool2d(3, 2)],
                1
            );
    }

    /// <summary>Maps of stride 32: kernels of 3 in both directions side by side.</summary>
    private sealed partial class BlockE(int inputs, bool maximum) : Layer
    {
        private readonly Unit branch1x1 = new(inputs, 320, 1);

        [Name("branch3x3_1")]
        private readonly Unit three1 = new(inputs, 384, 1);

        [Name("branch3x3_2a")]
        private readonly Unit three2A = new(384, 384, (1, 3), padding: (0, 1));

        [Name("branch3x3_2b")]
        private readonly Unit three2B = new(384, 384, (3, 1), padding: (1, 0));

        [Name("branch3x3dbl_1")]
        private readonly Unit double1 = new(inputs, 448, 1);

        [Name("branch3x3dbl_2")]
        private readonly Unit double2 = new(448, 384, 3, padding: 1);

        [Name("branch3x3dbl_3a")]
        private readonly Unit double3A = new(384, 384, (1, 3), padding: (0, 1));

        [Name("branch3x3dbl_3b")]
        private readonly Unit double3B = new(384, 384, (3, 1), padding: (1, 0));

        private readonly Unit branchPool = new(inputs, 192, 1);

        protected override Tensor Forward(Tensor input)
        {
            var three = three1.Call(input);
            var twice = double2.Call(double1.Call(input));
            return Torch.Cat(
                [
                    branch1x1.Call(input),
                    three2A.Call(three),
                    three2B.Call(three),
                    double3A.Call(twice),
                    double3B.Call(twice),
                    branchPool.Call(maximum ? input.MaxPool2d(3, 1, 1) : Average(input)),
                ],
                1
            );
        }
    }
}
