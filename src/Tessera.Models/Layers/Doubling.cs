namespace Tessera.Models.Layers;

/// <summary>Twice the resolution, bilinearly.</summary>
internal sealed class Doubling : Layer
{
    protected override Tensor Forward(Tensor input) => input.ResizeTo(2 * input.Size(2), 2 * input.Size(3));
}
