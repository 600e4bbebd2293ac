using Tessera.Native;

namespace Tessera.Tests.Native;

/// <summary>Who decides on what is set for the whole process.</summary>
public sealed class ProcessSettingTests
{
    private static readonly ProcessSetting setting = ProcessSetting.KeepFreedMemory;

    [Theory]
    [InlineData(null, null, true)]
    [InlineData("", null, true)]
    [InlineData(null, false, false)]
    [InlineData(null, true, true)]
    [InlineData("0", null, false)]
    [InlineData("1", null, true)]
    [InlineData("1", false, true)]
    [InlineData("0", true, false)]
    public void The_user_decides_before_the_program(string? variable, bool? isOn, bool expected) =>
        Assert.Equal(
            expected,
            setting.IsOn(
                name => name == "TESSERA_KEEP_FREED_MEMORY" ? variable : "0",
                name => name == "Tessera.KeepFreedMemory" ? isOn : false
            )
        );

    [Fact]
    public void Anything_but_0_and_1_is_refused()
    {
        var error = Assert.Throws<InvalidOperationException>(() => setting.IsOn(_ => "no", _ => null));
        Assert.Equal("TESSERA_KEEP_FREED_MEMORY is \"no\": it must be 0 or 1", error.Message);
    }
}
