namespace Tessera.Models;

/// <summary>ViTAS's super-transformer, <c>vitas_supernet</c> in recipes.</summary>
/// <param name="Space">The networks that it holds.</param>
/// <param name="Sharing">How widths share channels.</param>
/// <param name="LastPositionOnly">
/// Whether the last row of the position table is added to every token, as in the released code; false by default.
/// </param>
/// <param name="WidthsInOrder">
/// Whether blocks take the widths of the genome one after the other, as in the released code, instead of those of their position; false by
/// default.
/// </param>
/// <param name="FirstPatchOnly">
/// Whether of all patch sizes only the first one's embedding learns, as in the released code; false by default.
/// </param>
public sealed record VitasSupernetOptions(
    VitasSpace Space,
    VitasSharing Sharing = VitasSharing.Bilateral,
    bool LastPositionOnly = false,
    bool WidthsInOrder = false,
    bool FirstPatchOnly = false
) : ArchitectureOptions
{
    /// <inheritdoc/>
    public override Backbone Create(ModelOptions options) =>
        new VitasSupernet(
            new(Space, options.ImageSize ?? (224, 224), options.Classes ?? 1000, options.Channels ?? 3)
            {
                Sharing = Sharing,
                LastPositionOnly = LastPositionOnly,
                WidthsInOrder = WidthsInOrder,
                FirstPatchOnly = FirstPatchOnly,
            }
        );
}
