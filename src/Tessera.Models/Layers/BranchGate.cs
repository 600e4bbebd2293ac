using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>A layer whose result depends on the mean over all positions, as gates and global norms do.</summary>
internal interface IGlobalGate
{
    /// <summary>Whether no gradient flows through the mean: what remains is what single positions give to each other.</summary>
    bool Held { get; set; }
}

/// <summary>
/// Weighs three branches per channel by a softmax over the branches, computed from the mean of their sum (Hou et al., 2021,
/// arXiv:2106.12368, section 3.2).
/// </summary>
internal sealed partial class BranchGate : Module, IGlobalGate
{
    private const int Branches = 3;
    private readonly Layer fc1; // C to C / 4
    private readonly Layer fc2; // C / 4 to 3 C
    private readonly bool channelsFirst;

    /// <summary>A gate for maps [B, H, W, C] of linear maps, or, channels first, for [B, C, H, W] of convolutions 1 x 1.</summary>
    public BranchGate(int dim, bool channelsFirst = false)
    {
        this.channelsFirst = channelsFirst;
        fc1 = channelsFirst ? new Conv2d(dim, dim / 4, 1) : new Linear(dim, dim / 4);
        fc2 = channelsFirst ? new Conv2d(dim / 4, Branches * dim, 1) : new Linear(dim / 4, Branches * dim);
    }

    /// <inheritdoc/>
    public bool Held { get; set; }

    /// <summary>The weighted sum of the branches.</summary>
    public Tensor Blend(Tensor first, Tensor second, Tensor third)
    {
        using var scope = new Scope();
        var (batch, channels) = (first.Size(0), first.Size(channelsFirst ? 1 : 3));
        IntList places = channelsFirst ? (2, 3) : (1, 2);
        var mean = (first + second + third).Mean(places, keepdim: channelsFirst);
        if (Held)
            mean = mean.Detach();
        // The branches are the last dimension: weights of one channel lie side by side.
        var weights = fc2.Call(fc1.Call(mean).Gelu()).Reshape(batch, channels, Branches).Softmax(-1);
        IntList shape = channelsFirst ? [batch, channels, 1, 1] : [batch, 1, 1, channels];
        Tensor Weight(int branch) => weights.Select(2, branch).Reshape(shape);
        return scope.Return(first * Weight(0) + second * Weight(1) + third * Weight(2));
    }
}
