using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Which libvips a process takes.</summary>
public sealed class VipsLibraryTests : IDisposable
{
    private readonly TempFolder folder = new();
    private readonly List<string> asked = [];

    public void Dispose() => folder.Dispose();

    private VipsLibrary Choose(string[] there, string? named = null, bool hasGlobalGLib = false) =>
        VipsLibrary.Choose(
            named,
            [folder["app"], folder["app/runtimes"]],
            name =>
            {
                asked.Add(name);
                return Array.IndexOf(there, name) + 1;
            },
            () => hasGlobalGLib
        );

    private string Packaged => folder.Write("app/runtimes/libvips.so.42", "");

    [Fact]
    public void The_systems_is_taken_where_it_is_there()
    {
        Assert.Equal(new VipsLibrary(1, "libvips.so.42", "system"), Choose(["libvips.so.42", Packaged], hasGlobalGLib: true));
        Assert.Equal(["libvips.so.42"], asked);
    }

    [Fact]
    public void That_of_the_package_is_taken_where_the_system_has_none() =>
        Assert.Equal(new VipsLibrary(1, Packaged, "package"), Choose([Packaged]));

    [Fact]
    public void One_can_be_named()
    {
        Assert.Equal(
            new VipsLibrary(2, "/opt/libvips.so.42", "TESSERA_LIBVIPS"),
            Choose(["libvips.so.42", "/opt/libvips.so.42"], "/opt/libvips.so.42")
        );
        Assert.Equal(["/opt/libvips.so.42"], asked);
        var message = Assert.Throws<DataException>(() => Choose(["libvips.so.42"], "/opt/other.so")).Message;
        Assert.Contains("TESSERA_LIBVIPS names /opt/other.so", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_any_the_message_says_what_to_install_and_where_it_was_looked_for()
    {
        var message = Assert.Throws<DataException>(() => Choose([])).Message;
        Assert.All(["libvips42", "NetVips.Native.linux-x64", folder["app/runtimes/libvips.so.42"]], part =>
            Assert.Contains(part, message, StringComparison.Ordinal)
        );
    }

    [Fact]
    public void A_second_GLib_is_not_loaded_where_its_calls_would_go_to_the_first()
    {
        var file = Packaged;
        var message = Assert.Throws<DataException>(() => Choose([file], hasGlobalGLib: true)).Message;
        Assert.Contains(file, message, StringComparison.Ordinal);
        Assert.Contains("libvips42", message, StringComparison.Ordinal);
        Assert.DoesNotContain(file, asked);
    }

    [Fact]
    public void One_that_does_not_load_is_named() =>
        Assert.Contains($"{Packaged} does not load", Assert.Throws<DataException>(() => Choose([])).Message, StringComparison.Ordinal);
}
