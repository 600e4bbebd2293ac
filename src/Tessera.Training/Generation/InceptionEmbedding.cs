using System.Security.Cryptography;
using Tessera.Checkpoints;
using Tessera.Models;

namespace Tessera.Training.Generation;

/// <summary>The network of published figures, with weights that a user has: only its figures are FID, IS and KID.</summary>
internal sealed class InceptionEmbedding : FeatureEmbedding
{
    private readonly FidInception network;

    private InceptionEmbedding(FidInception network, string hash, Device device)
        : base(new(EmbeddingFacts.Inception, hash, FidInception.NumFeatures), device) => this.network = network;

    /// <summary>The embedding of a file.</summary>
    /// <param name="file">Weights under the names of <c>pt_inception-2015-12-05</c>: a file of PyTorch, or safetensors.</param>
    /// <param name="device">Where it shall compute.</param>
    /// <exception cref="RunException">The file cannot be read, or its names or shapes are not those of the network.</exception>
    internal static InceptionEmbedding Load(string file, Device device)
    {
        try
        {
            var network = FidInception.Load(file, device);
            using var stream = File.OpenRead(file);
            return new(network, Convert.ToHexStringLower(SHA256.HashData(stream)), device);
        }
        catch (StateDictException error)
        {
            throw new RunException($"{file} does not hold the weights pt_inception-2015-12-05 that pytorch-fid publishes: {error.Message}");
        }
        catch (Exception error) when (error is CheckpointException or IOException or UnauthorizedAccessException)
        {
            throw new RunException($"{file}: {error.Message}");
        }
    }

    /// <inheritdoc/>
    protected override EmbeddedImages Embed(Tensor images)
    {
        var features = network.Call(WithChannels(images, 3));
        return new(features, network.Classify(features));
    }
}
