using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>Dropout, then a linear classifier, [B, D] to [B, classes]; without a classifier the features pass as they are.</summary>
/// <param name="name">The classifier's name below this module in the state dict.</param>
/// <param name="dropout">Rate of dropout, in [0, 1).</param>
/// <param name="linear">The classifier; null for none.</param>
internal sealed class DropoutHead(string name, double dropout, Linear? linear) : Layer
{
    private Linear? linear = linear;

    /// <summary>The classifier.</summary>
    public ref Linear? Linear => ref linear;

    /// <summary>Dropout alone.</summary>
    public Tensor Drop(Tensor input) => dropout > 0 && Training ? Torch.Dropout(input, dropout, true) : input;

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        base.ListMembers(members);
        members.Add(name, linear);
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => linear is null ? input : linear.Call(Drop(input));
}
