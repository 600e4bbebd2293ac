using Tessera.Testing;

namespace Tessera.Models.Tests;

/// <summary>Residual networks whose stem the image size chooses.</summary>
public sealed class ResNetStemTests
{
    [Theory]
    [InlineData("resnet18_small", 32, 3, 1, "of stride 1 alone")]
    [InlineData("resnet18_small", 40, 3, 1, "of stride 1 alone")]
    [InlineData("resnet18_quarter_small", 41, 3, 2, "max-pooling")]
    [InlineData("resnet18_small", 112, 3, 2, "max-pooling")]
    [InlineData("resnet18_small", 113, 7, 4, "as for ImageNet")]
    [InlineData("resnet50_small", 224, 7, 4, "as for ImageNet")]
    public void The_stem_is_chosen_by_the_size_and_said(string name, int side, int kernel, int stride, string said)
    {
        using var scope = new Scope();
        using var skip = Nn.Init.Skip();
        var model = Registry.Create(name, new() { ImageSize = (side, side) });
        Assert.Equal(kernel, model.StateDict()["conv1.weight"].Size(2));
        Assert.Contains(said, Assert.Single(model.Remarks), StringComparison.Ordinal);
        Assert.Contains($"{side} x {side}", Assert.Single(model.Remarks), StringComparison.Ordinal);
        Assert.Equal(stride, model.ForwardFeatureMaps(Torch.Zeros([1, 3, side, side]))[0].Stride);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
    }

    [Theory]
    [InlineData("resnet18_small", 11.174)]
    [InlineData("resnet18_quarter_small", 0.701)]
    [InlineData("resnet50_small", 23.521)]
    public void Sizes_are_those_of_the_networks_for_CIFAR(string name, double millions)
    {
        using var scope = new Scope();
        using var skip = Nn.Init.Skip();
        var model = Registry.Create(name);
        Assert.Equal(millions, model.ParameterCount / 1e6, 3);
        Assert.Equal(10, model.Classes);
        foreach (var tensor in model.StateDict().Values)
            tensor.Dispose();
    }

    [Fact]
    public void Another_size_changes_the_pooling_and_refuses_another_convolution()
    {
        using var scope = new Scope();
        Torch.Seed(1);
        ResNet New(int side) => new(new((side, side), [1, 1, 1, 1], false, 3, Width: 4, StemBySize: true));
        var model = New(32);
        model.Eval();
        model.Resize(64, 64);
        var fresh = New(64);
        fresh.LoadStateDict(model.StateDict());
        fresh.Eval();
        var images = fresh.ExampleInput();
        Near.Identical(fresh.Call(images), model.Call(images));
        Assert.Equal(2, model.ForwardFeatureMaps(images)[0].Stride);
        Assert.Contains("at most 112", Assert.Throws<ShapeException>(() => model.Resize(224, 224)).Message, StringComparison.Ordinal);
        Assert.Contains("above 112", Assert.Throws<ShapeException>(() => New(224).Resize(32, 32)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_stem_for_ImageNet_on_small_images_is_said_with_what_it_leaves()
    {
        using var scope = new Scope();
        ResNet New(int side, ResNetStem stem = ResNetStem.ImageNet) => new(new((side, side), [1, 1, 1, 1], false, 3, Width: 4, Stem: stem));
        var said = Assert.Single(New(32).Remarks);
        Assert.Contains("32 x 32 pixels", said, StringComparison.Ordinal);
        Assert.Contains("maps of 1 x 1", said, StringComparison.Ordinal);
        Assert.Contains("resnet18_small", said, StringComparison.Ordinal);
        Assert.Contains("maps of 2 x 2", Assert.Single(New(64).Remarks), StringComparison.Ordinal);
        Assert.Empty(New(224).Remarks);
        Assert.Empty(New(32, ResNetStem.Small).Remarks);
    }
}
