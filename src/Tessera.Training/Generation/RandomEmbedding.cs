using System.Globalization;
using Tessera.Data;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Training.Bundles;

namespace Tessera.Training.Generation;

/// <summary>
/// Four convolutions whose weights are drawn from a seed and never trained: it tells images from noise, and needs no file. For tests of a
/// set-up; figures say little of the quality of images.
/// </summary>
internal sealed partial class RandomEmbedding : FeatureEmbedding
{
    private const int Side = 32,
        Width = 64;

    // Apart from the streams of Tessera.Data.
    private const int Stream = 12 << 20;

    private readonly Network network;

    private RandomEmbedding(ulong seed, Network network, Device device)
        : base(
            new(
                string.Create(CultureInfo.InvariantCulture, $"random-conv:{seed}"),
                WeightsHash.Of(network, string.Create(CultureInfo.InvariantCulture, $"{Side}")),
                Width
            ),
            device
        ) => this.network = network;

    /// <summary>The embedding of a seed, the same on every machine.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="device">Where it shall compute.</param>
    internal static RandomEmbedding Create(ulong seed, Device device)
    {
        Network network;
        using (Init.Skip())
            network = new();
        network.Fill(seed);
        network.To(device);
        network.Eval();
        return new(seed, network, device);
    }

    /// <inheritdoc/>
    protected override EmbeddedImages Embed(Tensor images) => new(network.Call(WithChannels(images, 3).ResizeTo(Side, Side) * 2 - 1), null);

    /// <summary>Halves the map three times.</summary>
    private sealed partial class Network : Layer
    {
        private readonly Conv2d conv1 = new(3, 16, 3, 1, 1);
        private readonly Conv2d conv2 = new(16, 32, 3, 2, 1);
        private readonly Conv2d conv3 = new(32, 64, 3, 2, 1);
        private readonly Conv2d conv4 = new(64, Width, 3, 2, 1);

        internal void Fill(ulong seed)
        {
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            foreach (var (number, (_, tensor)) in StateDict().Index())
            {
                var random = new SampleRandom(seed, 0, number, Stream);
                var values = new float[tensor.Elements];
                // He's deviation for weights; biases are 0.
                if (tensor.Dim > 1)
                    for (var i = 0; i < values.Length; i++)
                        values[i] = (float)(random.Normal() * Math.Sqrt(2.0 / Init.Fans(tensor).In));
                tensor.Copy_(Tensor.From(values).Reshape(tensor.Shape));
            }
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = input;
            foreach (var conv in new[] { conv1, conv2, conv3, conv4 })
                x = conv.Call(x).Relu();
            return x.Mean([2, 3]);
        }
    }
}
