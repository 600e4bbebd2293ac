using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>A classifier of a map in the middle of a network of cells.</summary>
internal abstract class SecondClassifier(int classes) : Layer
{
    /// <summary>Channels of its two convolutions.</summary>
    protected const int Inner = 128,
        Width = 768;

    private Linear? classifier = new(Width, classes);

    /// <summary>Another classifier for a number of classes; 0 takes it away.</summary>
    internal void ResetClassifier(int count, Parameter like)
    {
        classifier = count > 0 ? new Linear(Width, count) : null;
        classifier?.To(like.Device, like.DType);
    }

    /// <summary>What the classifier sees: the map [B, C, H, W] to [B, 768].</summary>
    protected abstract Tensor Describe(Tensor map);

    /// <summary>Lists the classifier, which comes after the layers in front of it.</summary>
    protected override void ListMembers(Members members) => members.Add("classifier", classifier);

    /// <inheritdoc/>
    protected sealed override Tensor Forward(Tensor input)
    {
        var x = Describe(input);
        return classifier is null ? x : classifier.Call(x);
    }
}
